import type { DeviceServer } from '../support/vhost-user/device-server.ts'
import { u32s } from '../support/vhost-user/frontend.ts'
import type { VirtualDevice, VirtualQueue } from '../support/vhost-user/virtual-device.ts'
import type { Random } from './random.ts'
import type { Speech, Spoken } from './speech.ts'

/** Numbers at limits, and numbers that wrap. */
const edges = [
  [0, 1, 2, 7, 11, 15, 16, 17, 23, 32, 255, 256, 4095, 4096, 4097, 8192],
  [0xa0000 - 1, 0xa0000, 2 ** 20, 17 * 2 ** 20 - 16, 2 ** 30, 2 ** 31 - 1, 2 ** 31],
  [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 2 ** 23 - 8, 2 ** 32 + 2 ** 24 - 1, 2 ** 52, 2 ** 53 - 1],
].flat()

/** A driver that tries to harm its device. One instance plays one seed. */
export class HostileDriver {
  readonly #random: Random
  readonly #device: VirtualDevice
  /** The queue of the present attack. */
  #queue: VirtualQueue
  /** Places in memory that the device reads: guest addresses and lengths. */
  readonly #targets: { readonly address: number; readonly length: number }[] = []
  readonly #speech: Speech

  constructor(random: Random, server: DeviceServer, speech: Speech) {
    this.#random = random
    this.#speech = speech
    this.#device = server.device({
      queues: 1 + random.upTo(speech.queues - 1),
      size: random.pick([1, 2, 16, 128, 1024]),
      eventIndex: random.chance(50),
      indirect: random.chance(50),
      start: random.pick([0, 0xfff8, random.upTo(0xffff)]),
    })
    this.#queue = this.#device.queues[0] as VirtualQueue
    this.#begin()
  }

  #begin(): void {
    this.#targets.length = 0
    for (const { driver } of this.#device.queues) {
      this.#targets.push(
        { address: driver.descriptors, length: 16 * driver.size },
        { address: driver.available, length: 6 + 2 * driver.size },
        { address: driver.used, length: 6 + 8 * driver.size },
      )
    }
    this.#device.start()
    this.#queue = this.#device.queues[0] as VirtualQueue
    for (const spoken of this.#speech.hello()) this.#send(spoken)
    this.#queue.kick()
  }

  /** One more attack. */
  step(): void {
    const random = this.#random
    const device = this.#device
    this.#queue = random.pick(device.queues)
    const queue = this.#queue
    const what = random.weighted({
      request: 30,
      descriptor: 20,
      offer: 10,
      bytes: 20,
      storm: 4,
      jump: 2,
      pause: 4,
      memory: 3,
      reset: 6,
      take: 10,
    })
    switch (what) {
      case 'request':
        this.#send(this.#speech.request(random))
        break
      case 'descriptor':
        this.#describe()
        break
      case 'offer':
        queue.driver.offer(random.chance(80) ? random.upTo(queue.driver.size - 1) : this.#number())
        break
      case 'bytes':
        this.#scribble()
        break
      case 'storm':
        // While the device is at work.
        queue.kick()
        for (let i = 0; i < 500; i++) this.#scribble()
        break
      case 'jump':
        Atomics.add(queue.driver.availableWords, 1, random.u32() & 0xffff)
        break
      case 'pause':
        device.start(device.stop())
        break
      case 'memory':
        device.sendMemory(random.chance(50) ? device.ram.regions.toReversed() : device.ram.regions)
        break
      case 'reset':
        device.reset()
        this.#begin()
        break
      case 'take':
        this.#take()
        break
    }
    if (random.chance(60)) queue.kick()
  }

  close(): void {
    const { frontend } = this.#device
    // Some drivers end in the middle of an action.
    if (this.#random.chance(50)) frontend.ask('GET_VRING_BASE', u32s(0, 0))
    this.#device.close()
  }

  #send({ bytes, room }: Spoken): void {
    const { ram, heap } = this.#device
    const { driver } = this.#queue
    const layout = this.#random.pick(this.#speech.layouts)
    const chain = layout(ram, heap, bytes, room)
    // A small queue has no room for every layout.
    if (chain === undefined || chain.parts.length > driver.size) return chain?.free()
    if (driver.add(chain.parts) !== undefined) this.#targets.push(...chain.parts.slice(0, 8))
  }

  #take(): void {
    try {
      const { driver } = this.#queue
      while (driver.take() !== undefined) driver.listen(this.#random.upTo(3))
    } catch {
      // The driver has lost track of its own state.
    }
  }

  /** A plausible descriptor. */
  #describe(): void {
    const random = this.#random
    const queue = this.#queue.driver
    const target = random.pick(this.#targets)
    const table = random.chance(80) ? queue.descriptors : target.address
    const most = Math.floor((table === target.address ? target.length : 16 * queue.size) / 16) - 1
    if (most < 0) return
    queue.describe(table, random.upTo(most), {
      address: random.chance(60) ? target.address : this.#number(),
      length: random.chance(50) ? target.length : Math.min(this.#number(), 2 ** 32 - 1),
      flags: random.chance(90) ? random.upTo(7) : random.u32() & 0xffff,
      next: random.chance(80) ? random.upTo(queue.size) : random.u32() & 0xffff,
    })
  }

  /** Overwrites a few bytes of something that the device reads. */
  #scribble(): void {
    const random = this.#random
    const { address, length } = random.pick(this.#targets)
    const at = random.upTo(length - 1)
    const bytes = random.bytes(Math.min(1 + random.upTo(3), length - at))
    this.#device.ram.bytes(address + at, bytes.length).set(bytes)
  }

  #number(): number {
    const random = this.#random
    return random.chance(70) ? random.pick(edges) : random.u32() * 2 ** random.upTo(21)
  }
}
