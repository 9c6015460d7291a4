import { drainEventfd, signalEventfd } from '../../sys/eventfd.ts'
import { discard } from '../../sys/files.ts'
import type { EventLoop, Turn, Watched } from '../event-loop.ts'
import type { GuestMemory } from './guest-memory.ts'
import type { Queue } from './queue.ts'
import type { Queues } from './queues.ts'
import { feature } from './requests.ts'
import type { RingAddresses } from './virtqueue.ts'

/**
 * The settings of one ring, as the front end has sent them, and the queue that serves the ring. It owns the
 * ring's descriptors.
 */
export class Vring {
  /** In entries (SET_VRING_NUM). */
  size = 0
  /** Undefined before SET_VRING_ADDR. */
  addresses: Omit<RingAddresses, 'size'> | undefined
  /** The index in the available ring to go on at (SET_VRING_BASE). */
  next = 0
  isEnabled = false
  readonly queue: Queue
  readonly #device: Queues
  readonly #loop: EventLoop
  #isStarted = false
  #kick: Kick | undefined
  #call = -1

  /** @param device has the queue among its own. */
  constructor(queue: Queue, device: Queues, loop: EventLoop) {
    this.queue = queue
    this.#device = device
    this.#loop = loop
  }

  /** Notifies the driver, if the front end has sent a descriptor for that. @throws ErrnoError as write(2). */
  notify(): void {
    if (this.#call >= 0) signalEventfd(this.#call)
  }

  /**
   * @param fd an eventfd that notifies the driver, or -1 for none. It is signalled at once: the ring may have
   *   been served before the front end has sent it, and a superfluous notification does no harm.
   */
  setCall(fd: number): void {
    if (this.#call >= 0) discard(this.#call)
    this.#call = fd
    this.notify()
  }

  /** @param fd an eventfd with which the driver notifies that chains are available. */
  setKick(fd: number): void {
    this.#removeKick()
    const kick = new Kick(fd, this.#device)
    this.#loop.add(kick)
    this.#kick = kick
  }

  /**
   * Serves the ring as soon as all settings are known that this takes. @param features as negotiated with the
   * driver.
   */
  update(memory: GuestMemory | undefined, features: bigint): void {
    const { size, addresses, next } = this
    if (this.#isStarted || !this.isEnabled || this.#kick === undefined) return
    if (memory === undefined || addresses === undefined) return
    this.#isStarted = true
    this.queue.start({
      memory,
      addresses: { size, ...addresses },
      next,
      eventIndex: (features & feature.EVENT_IDX) !== 0n,
      indirect: (features & feature.INDIRECT_DESC) !== 0n,
    })
  }

  /** Serves nothing until the next {@link update}. */
  stop(): void {
    if (!this.#isStarted) return
    this.#isStarted = false
    // The queue of a broken device has stopped already, and has no position to go on at.
    this.next = this.queue.stop() ?? this.next
  }

  /** Stops, and closes the ring's descriptors. */
  close(): void {
    this.stop()
    this.#removeKick()
    this.setCall(-1)
  }

  #removeKick(): void {
    if (this.#kick !== undefined) this.#loop.remove(this.#kick)
    this.#kick = undefined
  }
}

/** The eventfd with which a driver notifies that chains are available (SET_VRING_KICK). It owns it. */
class Kick implements Watched {
  readonly fd: number
  readonly waitsFor = 'read'
  /** All queues of the device: their turn is one. */
  readonly polled: Queues

  constructor(fd: number, device: Queues) {
    this.fd = fd
    this.polled = device
  }

  ready(turn: Turn): void {
    drainEventfd(this.fd)
    // A device that was notified in each of its queues has no turn for each. The loop polls it in the next round.
    if (!this.polled.isBehind) this.polled.poll(turn)
  }

  close(): void {
    discard(this.fd)
  }
}
