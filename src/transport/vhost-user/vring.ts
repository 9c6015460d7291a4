import { signalEventfd } from '../../sys/eventfd.ts'
import { discard } from '../../sys/files.ts'
import type { RingAddresses } from './virtqueue.ts'

/** What a frontend has said about its ring. It owns the descriptors. */
export class Vring {
  size = 0
  addresses: Omit<RingAddresses, 'size'> | undefined
  /** Where to begin in the available ring (SET_VRING_BASE). */
  next = 0
  isEnabled = false
  #call = -1

  /** Wakes the driver, if it can be woken. */
  signal(): void {
    if (this.#call >= 0) signalEventfd(this.#call)
  }

  /**
   * @param fd an eventfd to wake the driver with, or -1 for none. It is signalled at once: a ring may be
   *   served before its frontend has said how to wake the driver, and a call for nothing does no harm.
   */
  setCall(fd: number): void {
    if (this.#call >= 0) discard(this.#call)
    this.#call = fd
    this.signal()
  }

  close(): void {
    this.setCall(-1)
  }
}
