import { Duplex } from 'node:stream'
import type { Client } from '../../../src/9p/client.ts'
import { attached } from '../directory-server.ts'
import type { Layout } from './layouts.ts'
import { QueuePump } from './queue-pump.ts'
import type { VirtualDevice } from './virtual-device.ts'

/** A device's queue as a stream of frames, for a client that knows streams. */
class VirtqueueStream extends Duplex {
  readonly #pump: QueuePump
  /** Room for answers, in bytes. */
  readonly #room: number

  constructor(device: VirtualDevice, layout: Layout, room: number) {
    super()
    this.#room = room
    this.#pump = new QueuePump(device, device.queues[0]!, layout, {
      answered: (answer) => {
        // Without an answer: the request was flushed.
        if (answer !== undefined) this.push(answer)
      },
      failed: (error) => this.destroy(error),
    })
  }

  override _write(frame: Buffer, _encoding: string, added: () => void): void {
    // The client's own memory, which it does not use again.
    this.#pump.send(frame, this.#room, added)
  }

  override _read(): void {}

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#pump.close()
    done(error)
  }
}

/** A client on the device's queue whose fid 0 is the root. */
export function clientOn(device: VirtualDevice, layout: Layout, msize: number): Promise<Client> {
  return attached(new VirtqueueStream(device, layout, msize), msize)
}
