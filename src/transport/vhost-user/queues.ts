import type { Device } from './device.ts'
import { type Polled, type Turn, endlessTurn } from '../event-loop.ts'
import { Queue } from './queue.ts'
import { messageOf } from '../../util/error.ts'

/**
 * All queues of a device, which have their turn together: a driver gets no more time by using more queues. Each starts and
 * stops by itself, but all break together: a driver that breaks the rules in one of them is not trusted in the others. The
 * device then stops until its driver resets it (virtio 1.3, 2.1.2, DEVICE_NEEDS_RESET).
 */
export class Queues implements Polled {
  readonly all: readonly Queue[]
  /** Those that run: of the queues that a device could have, a driver uses a few. */
  #running: readonly Queue[] = []
  readonly #device: Device
  readonly #log: (line: string) => void
  /** Queues that ran when the device broke, and that the front end has not stopped since. */
  readonly #broken = new Set<Queue>()
  /** The index of the one of {@link #running} that is served first in the next turn. */
  #first = 0
  /** Whether the last turn was over before all queues had been served. */
  isBehind = false

  /**
   * @param notify notifies the driver of chains that were given back in the queue with this index.
   * @param log gets a line when the device stops by itself.
   * @param wrote is called after something was written into the guest's memory.
   */
  constructor(
    device: Device,
    notify: (index: number) => void,
    log: (line: string) => void,
    wrote: () => void = () => {},
  ) {
    this.#device = device
    this.#log = log
    const broken = this.#broken
    this.all = Array.from({ length: device.queues }, (_, index) => {
      const queue: Queue = new Queue({
        get isBroken() {
          return broken.size > 0
        },
        serverFor: (chain) => device.serverFor(chain, index),
        changed: () => (this.#running = this.all.filter(({ isRunning }) => isRunning)),
        notify: () => notify(index),
        wrote,
        driverChanged: () => this.#reset(),
        broke: (error) => this.#break(queue, error),
      })
      return queue
    })
  }

  /**
   * The front end has stopped this queue. A broken device can start again when the front end has stopped all
   * queues that ran.
   */
  takenBack(queue: Queue): void {
    this.#broken.delete(queue)
  }

  /** Stops all queues for ever. */
  close(): void {
    for (const queue of this.all) queue.stop()
    this.#reset()
  }

  poll(turn: Turn = endlessTurn): boolean {
    const running = this.#running
    let found = false
    for (let i = 0; i < running.length; i++) {
      const index = (this.#first + i) % running.length
      if (!(running[index] as Queue).poll(turn)) continue
      found = true
      // A device of one queue is spared the look at the clock.
      if (running.length > 1 && turn.isOver) {
        this.#first = (index + 1) % running.length
        this.isBehind = true
        return true
      }
    }
    this.isBehind = false
    return found
  }

  enableNotifications(): boolean {
    let hasWork = false
    for (const queue of this.#running) {
      if (queue.enableNotifications()) hasWork = true
    }
    return hasWork
  }

  disableNotifications(): void {
    for (const queue of this.#running) queue.disableNotifications()
  }

  #break(queue: Queue, error: unknown): void {
    this.#log(`the device has stopped: ${messageOf(error)}`)
    this.#broken.add(queue)
    for (const each of this.all) {
      if (each.stop() !== undefined) this.#broken.add(each)
    }
    this.#reset()
  }

  /** A driver has gone, and its requests with it. Queues that run now are the next driver's. */
  #reset(): void {
    this.#device.reset()
    for (const queue of this.all) queue.forgetStopped()
  }
}
