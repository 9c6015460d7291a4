import { openSync } from 'node:fs'
import type { Device } from '../../src/transport/vhost-user/device.ts'
import { GuestMemory } from '../../src/transport/vhost-user/guest-memory.ts'
import { Queues } from '../../src/transport/vhost-user/queues.ts'
import { FsDriver } from './driver.ts'

/** The driver of a device that the same thread serves: a profile of the thread is one of the device, which never waits. */
export class ThreadDriver extends FsDriver {
  readonly #queues: Queues
  readonly #memory: GuestMemory

  constructor(device: Device) {
    super()
    const { regions, files } = this.ram
    const own = files.map((fd) => openSync(`/proc/self/fd/${fd}`, 'r+'))
    this.#memory = new GuestMemory(regions, own)
    const fail = (line: string): never => {
      throw new Error(line)
    }
    this.#queues = new Queues(device, () => {}, fail)
    for (const [index, { size, places }] of this.rings.entries()) {
      const [descriptors, available, used] = [
        places.descriptors,
        places.available,
        places.used,
      ].map((address) => this.ram.userAddress(address)) as [number, number, number]
      this.#queues.all[index]!.start({
        memory: this.#memory,
        addresses: { size, descriptors, available, used },
        next: 0,
        eventIndex: true,
        indirect: true,
      })
    }
    this.mount()
  }

  wait(): void {
    this.#queues.poll()
  }

  [Symbol.dispose](): void {
    this.#queues.close()
    this.#memory.close()
    this.ram.close()
  }
}
