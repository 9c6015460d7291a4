import { limits, type MessageName, type T } from '../../src/9p/index.ts'
import { memoryOf, requestFrame } from '../support/frames.ts'
import type { DeviceServer } from '../support/vhost-user/device-server.ts'
import { u32s } from '../support/vhost-user/frontend.ts'
import { byteByByte, linux, scattered } from '../support/vhost-user/layouts.ts'
import type { VirtualDevice } from '../support/vhost-user/virtual-device.ts'
import type { Random } from './random.ts'

const MSIZE = 8192

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
  /** Places in memory that the device reads: guest addresses and lengths. */
  readonly #targets: { readonly address: number; readonly length: number }[] = []
  #tag = 0

  constructor(random: Random, server: DeviceServer) {
    this.#random = random
    this.#device = server.device({
      size: random.pick([1, 2, 16, 128, 1024]),
      eventIndex: random.chance(50),
      indirect: random.chance(50),
      start: random.pick([0, 0xfff8, random.upTo(0xffff)]),
    })
    this.#begin()
  }

  #begin(): void {
    const { queue } = this.#device
    this.#targets.length = 0
    this.#targets.push(
      { address: queue.descriptors, length: 16 * queue.size },
      { address: queue.available, length: 6 + 2 * queue.size },
      { address: queue.used, length: 6 + 8 * queue.size },
    )
    this.#device.start()
    this.#send('version', { msize: MSIZE, version: limits.VERSION })
    const attach = { fid: 0, afid: limits.NOFID, uname: '', aname: '', uid: 0 }
    this.#send('attach', attach)
    this.#send('walk', { fid: 0, newfid: 1, names: ['file'] })
    this.#send('lopen', { fid: 1, flags: 2 })
    this.#device.kick()
  }

  /** One more attack. */
  step(): void {
    const random = this.#random
    const device = this.#device
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
        this.#request()
        break
      case 'descriptor':
        this.#describe()
        break
      case 'offer':
        device.queue.offer(random.chance(80) ? random.upTo(device.queue.size - 1) : this.#number())
        break
      case 'bytes':
        this.#scribble()
        break
      case 'storm':
        // While the device is at work.
        device.kick()
        for (let i = 0; i < 500; i++) this.#scribble()
        break
      case 'jump':
        Atomics.add(device.queue.availableWords, 1, random.u32() & 0xffff)
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
    if (random.chance(60)) device.kick()
  }

  close(): void {
    const { frontend } = this.#device
    // Some drivers end in the middle of an action.
    if (this.#random.chance(50)) frontend.ask('GET_VRING_BASE', u32s(0, 0))
    this.#device.close()
  }

  #request(): void {
    const random = this.#random
    const fid = random.upTo(2)
    const offset = random.upTo(20_000)
    const data = { memory: memoryOf(random.bytes(random.pick([1, 100, 3000]))), offset: 0 }
    const range = { start: 0n, length: 0n, procId: random.upTo(1), clientId: 'g' }
    switch (random.upTo(7)) {
      case 0:
        return this.#send('getattr', { fid, mask: 0xfff })
      case 1:
        return this.#send('read', { fid, offset, count: random.pick([1, 2000, 8000, 2 ** 32 - 1]) })
      case 2:
        return this.#send('write', {
          fid,
          offset,
          data: { ...data, length: data.memory.bytes.length },
        })
      case 3:
        return this.#send('lock', { fid: 1, type: random.upTo(2), flags: random.upTo(1), ...range })
      case 4:
        return this.#send('flush', { oldtag: random.upTo(this.#tag) })
      case 5:
        return this.#send('walk', { fid, newfid: 2, names: random.pick([[], ['file'], ['..']]) })
      case 6:
        return this.#send('readdir', { fid, offset: 0n, count: 8000 })
      default:
        return this.#send('clunk', { fid: 2 })
    }
  }

  #send<M extends MessageName>(name: M, fields: T<M>): void {
    const { queue, ram, heap } = this.#device
    const tag = name === 'version' ? limits.NOTAG : this.#tag++ % 1000
    const layout = this.#random.pick([linux, scattered, byteByByte])
    const chain = layout(ram, heap, requestFrame(tag, name, fields), MSIZE)
    // A small queue has no room for every layout.
    if (chain === undefined || chain.parts.length > queue.size) return chain?.free()
    if (queue.add(chain.parts) !== undefined) this.#targets.push(...chain.parts.slice(0, 8))
  }

  #take(): void {
    try {
      const { queue } = this.#device
      while (queue.take() !== undefined) queue.listen(this.#random.upTo(3))
    } catch {
      // The driver has lost track of its own state.
    }
  }

  /** A plausible descriptor. */
  #describe(): void {
    const random = this.#random
    const { queue } = this.#device
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
