import type { Device } from './device.ts'
import { Queue } from './queue.ts'
import { messageOf } from '../../util/error.ts'

/**
 * All queues of a device. They start and stop apart, and break together: what a driver does wrong in one of them is a
 * reason to distrust all it does, so the device stops as a whole until its driver resets it (virtio 1.3, 2.1.2,
 * DEVICE_NEEDS_RESET).
 */
export class Queues {
  readonly all: readonly Queue[]
  readonly #device: Device
  readonly #log: (line: string) => void
  /** Queues that ran when the device broke, and were not taken back since. */
  readonly #broken = new Set<Queue>()

  /**
   * @param notify notifies the driver of what was given back in the queue with this index.
   * @param log gets a line when the device stops by itself.
   */
  constructor(device: Device, notify: (index: number) => void, log: (line: string) => void) {
    this.#device = device
    this.#log = log
    const broken = this.#broken
    this.all = Array.from({ length: device.queues }, (_, index) => {
      const queue: Queue = new Queue({
        get isBroken() {
          return broken.size > 0
        },
        serverFor: (chain) => device.serverFor(chain, index),
        notify: () => notify(index),
        driverChanged: () => this.#reset(),
        broke: (error) => this.#break(queue, error),
      })
      return queue
    })
  }

  /**
   * The front end has taken this queue back, stopped. A broken device can be started again when it has taken back all
   * queues that ran.
   */
  takenBack(queue: Queue): void {
    this.#broken.delete(queue)
  }

  /** Stops all queues for good. */
  close(): void {
    for (const queue of this.all) queue.stop()
    this.#reset()
  }

  #break(queue: Queue, error: unknown): void {
    this.#log(`the device has stopped: ${messageOf(error)}`)
    this.#broken.add(queue)
    for (const each of this.all) {
      if (each.stop() !== undefined) this.#broken.add(each)
    }
    this.#reset()
  }

  /** A driver has gone, with all that it has asked for. Queues that run are the next driver's already. */
  #reset(): void {
    this.#device.reset()
    for (const queue of this.all) queue.forgetStopped()
  }
}
