import type { Layout } from '../vhost-user/layouts.ts'
import { QueuePump } from '../vhost-user/queue-pump.ts'
import type { DeviceOptions, VirtualDevice } from '../vhost-user/virtual-device.ts'
import type { FuseChannel } from './client.ts'
import { linuxFuse } from './layouts.ts'

/** A file system device as QEMU has it: a queue of high priority and `queues` for requests. */
export function fsDevice(queues = 1): Partial<DeviceOptions> {
  // 128 is QEMU's default size of a queue; the device has no features of its own.
  return { queues: 1 + queues, features: 0n, size: 128 }
}

/** The queues of a file system device: 0 for urgent requests, the others in turn for all others. */
export class DeviceChannel implements FuseChannel {
  onReply: (reply: Buffer) => void = () => {}
  onEnd: (error: Error) => void = () => {}
  readonly #device: VirtualDevice
  readonly #urgent: QueuePump
  readonly #others: readonly QueuePump[]
  #turn = 0

  /** @param device is started; the channel owns it from now on. */
  constructor(device: VirtualDevice, layout: Layout = linuxFuse) {
    this.#device = device
    const [urgent, ...others] = device.queues.map(
      (queue) =>
        new QueuePump(device, queue, layout, {
          answered: (answer) => {
            if (answer !== undefined) this.onReply(answer)
          },
          failed: (error) => this.onEnd(error),
        }),
    )
    this.#urgent = urgent!
    this.#others = others
  }

  send(request: Buffer, room: number, isUrgent: boolean): void {
    const pump = isUrgent ? this.#urgent : this.#others[this.#turn++ % this.#others.length]!
    pump.send(request, room)
  }

  close(): void {
    for (const pump of [this.#urgent, ...this.#others]) pump.close()
    this.#device.close()
  }
}
