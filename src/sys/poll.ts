import { ErrnoError, errno } from './errno.ts'
import { lastErrno, raw } from './ffi.ts'
import { systemMemory } from './system-memory.ts'

export const POLLIN = 0x1
export const POLLOUT = 0x4

const native = raw('int', 'poll', 'pointer', 'size', 'int')

const PAUSE_MS = 10
const pause = new Int32Array(new SharedArrayBuffer(4))

/** The array of struct pollfd that poll(2) works on: fd[4] events[2] revents[2]. */
export class PollSet {
  #memory = systemMemory(8 * 16)
  #count = 0

  get count(): number {
    return this.#count
  }

  clear(): void {
    this.#count = 0
  }

  add(fd: number, events: number): void {
    const at = this.#count * 8
    if (at === this.#memory.bytes.length) {
      const larger = systemMemory(at * 2)
      larger.bytes.set(this.#memory.bytes)
      this.#memory = larger
    }
    this.#memory.view.setInt32(at, fd, true)
    // Clears revents as well, because a poll(2) that fails leaves it as it is.
    this.#memory.view.setInt32(at + 4, events, true)
    this.#count++
  }

  /** The events of the descriptor that was added as number `index`: bits of poll(2), 0 for none. */
  happened(index: number): number {
    return this.#memory.view.getInt16(index * 8 + 6, true)
  }

  /**
   * poll(2): waits until something has happened or `timeout` milliseconds are over (-1: no limit), and
   * returns how many descriptors have events. It returns 0 for a signal, and if the kernel has no memory for
   * the call at this moment.
   */
  wait(timeout: number): number {
    const ready = native(this.#memory.address, this.#count, timeout)
    if (ready >= 0) return ready
    const number = lastErrno()
    if (number === errno.EINTR) return 0
    if (number === errno.ENOMEM) {
      // Callers try again at once, which must not keep a CPU busy.
      Atomics.wait(pause, 0, 0, PAUSE_MS)
      return 0
    }
    throw new ErrnoError(number, 'poll')
  }
}
