import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../../src/9p/client.ts'
import { limits, payloadBytes } from '../../../src/9p/index.ts'
import { rawFrame, requestFrame } from '../../support/frames.ts'
import { type DeviceServer, serveDevices } from '../../support/vhost-user/device-server.ts'
import { INDIRECT, NEXT, WRITE } from '../../support/vhost-user/driver-queue.ts'
import { u32s, vringAddress } from '../../support/vhost-user/frontend.ts'
import { PAGE } from '../../support/vhost-user/guest-ram.ts'
import { linux } from '../../support/vhost-user/layouts.ts'
import type { DeviceOptions, VirtualDevice } from '../../support/vhost-user/virtual-device.ts'
import { clientOn } from '../../support/vhost-user/virtqueue-stream.ts'

const MSIZE = 8192
const MIB = 2 ** 20

let folder: string
let server: DeviceServer
/** Those that must not notice. */
let others: { readonly device: VirtualDevice; readonly clients: readonly Client[] }
/** How many have connected. */
let connections: number
/** The one that lies. */
let device: VirtualDevice
let descriptors: number

/** One engine for all lies of a kind, and a device for each. */
function onOneEngine(): void {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
    mkdirSync(join(folder, 'tree'))
    writeFileSync(join(folder, 'tree', 'file'), 'hello')
    server = await serveDevices(join(folder, 'tree'), {}, folder)
    const good = server.device().start()
    const clients = [await server.client(), await clientOn(good, linux, MSIZE)]
    for (const client of clients) {
      await client.call.walk({ fid: 0, newfid: 1, names: ['file'] })
      await client.call.lopen({ fid: 1, flags: 0 })
    }
    others = { device: good, clients }
    connections = 2
  })

  beforeEach(() => {
    descriptors = server.descriptors()
    connect()
  })

  afterEach(async () => {
    device.close()
    // Nothing is left of it, whatever it did.
    await vi.waitFor(() => expect(server.descriptors()).toBe(descriptors))
  })

  afterAll(async () => {
    for (const client of others.clients) client.close()
    others.device.close()
    await server.engine.close()
    rmSync(folder, { recursive: true })
  })
}

function connect(options: Partial<DeviceOptions> = {}): void {
  device = server.device(options)
  connections++
}

async function expectOthersServed(): Promise<void> {
  for (const client of others.clients) {
    const { data } = await client.call.read({ fid: 1, offset: 0, count: 100 })
    expect(payloadBytes(data).toString()).toBe('hello')
  }
}

/** The device has stopped, with one line and nothing else, and works again after a reset. */
async function expectStopped(reason: string): Promise<void> {
  const { queue } = device
  const line = `the device has stopped: ${reason}`
  await vi.waitFor(() => expect(server.said(connections)).toEqual([line]))
  await expectOthersServed()

  // Whatever else there is in the queue is not looked at.
  const before = queue.usedWords[1]
  offerVersion()
  device.kick()
  // Also not where only the memory is told anew, or the ring is switched off and on.
  device.sendMemory()
  for (const isEnabled of [0, 1]) device.frontend.send('SET_VRING_ENABLE', u32s(0, isEnabled))
  device.kick()
  device.frontend.settle()
  await expectOthersServed()
  expect(queue.usedWords[1]).toBe(before)
  expect(server.said(connections)).toEqual([line])

  device.reset()
  const client = await clientOn(device, linux, MSIZE)
  expect(await client.call.walk({ fid: 0, newfid: 1, names: ['file'] })).toMatchObject({
    qids: [{ type: 0 }],
  })
  client.close()
  expect(server.said(connections)).toEqual([line])
}

/** A request that makes sense, at a place of its own. */
function request(): number {
  const frame = requestFrame(limits.NOTAG, 'version', { msize: MSIZE, version: limits.VERSION })
  const address = device.heap.need(frame.length)
  device.ram.bytes(address, frame.length).set(frame)
  return address
}
const REQUEST_BYTES = 7 + 4 + 2 + 8

function offerVersion(): void {
  device.queue.add([
    { address: request(), length: REQUEST_BYTES, isWritable: false },
    { address: device.heap.need(100), length: 100, isWritable: true },
  ])
}

/** Writes a descriptor into the queue's table. */
function put(
  index: number,
  address: number | bigint,
  length: number,
  flags: number,
  next = 0,
): void {
  const { queue } = device
  queue.describe(queue.descriptors, index, { address, length, flags, next })
}

/** Makes descriptor 0 an indirect table of `entries`: address, length, flags, next. */
function putTable(
  entries: readonly [number, number, number, number?][],
  bytes = entries.length * 16,
): void {
  const { queue, heap } = device
  const at = heap.need(Math.max(1, entries.length) * 16, 0)
  for (const [index, [address, length, flags, next = 0]] of entries.entries()) {
    queue.describe(at, index, { address, length, flags, next })
  }
  put(0, at, bytes, INDIRECT)
}

/** Tells a lie that begins with descriptor 0. */
function tell(lie: () => void): void {
  device.start()
  lie()
  device.queue.offer(0)
  device.kick()
}

/** The same for a request of these bytes, with room for an answer, after the session has begun. */
async function tellFrame(frame: Buffer, ...cuts: number[]): Promise<void> {
  const client = await clientOn(device.start(), linux, MSIZE)
  client.close()
  const { ram, heap } = device
  const parts = [0, ...cuts].map((from, i) => {
    const bytes = frame.subarray(from, cuts[i])
    const address = heap.need(bytes.length)
    ram.bytes(address, bytes.length).set(bytes)
    return { address, length: bytes.length, isWritable: false }
  })
  device.queue.add([...parts, { address: heap.need(MSIZE), length: MSIZE, isWritable: true }])
  device.kick()
}

const outside = "a descriptor points outside of the guest's memory"

describe('a descriptor index out of range', () => {
  onOneEngine()

  it.each([128, 129, 0xffff])('as the head of a chain: %i', async (head) => {
    device.start()
    device.queue.offer(head)
    device.kick()
    await expectStopped(`a chain that begins at ${head} in a table of 128`)
  })

  it.each([128, 0xffff])('in the middle of a chain: %i', async (next) => {
    tell(() => put(0, request(), REQUEST_BYTES, NEXT, next))
    await expectStopped(`a chain that goes on at ${next} in a table of 128`)
  })

  it('in an indirect table, though the queue’s own table has it', async () => {
    tell(() => putTable([[request(), REQUEST_BYTES, NEXT, 1]]))
    await expectStopped('a chain that goes on at 1 in a table of 1')
  })
})

describe('a chain that leads back into itself', () => {
  onOneEngine()

  it.each([REQUEST_BYTES, 0])('with descriptors of %i bytes', async (length) => {
    tell(() => {
      put(0, request(), length, NEXT, 1)
      put(1, request(), length, NEXT, 0)
    })
    await expectStopped('a chain without an end')
  })

  it('in an indirect table', async () => {
    tell(() => putTable([[request(), REQUEST_BYTES, NEXT, 0]]))
    await expectStopped('a chain without an end')
  })

  it('in what is to be written', async () => {
    tell(() => {
      put(0, request(), REQUEST_BYTES, NEXT, 1)
      put(1, device.heap.need(PAGE), PAGE, NEXT | WRITE, 1)
    })
    await expectStopped('a chain without an end')
  })
})

describe('a chain longer than any queue', () => {
  onOneEngine()

  it('in an indirect table', async () => {
    tell(() =>
      putTable(
        Array.from({ length: 1024 }, (_, i) => [request(), 1, i < 1023 ? NEXT : WRITE, i + 1]),
      ),
    )
    await expectStopped('a chain without an end')
  })
})

describe('a descriptor outside of the guest’s memory', () => {
  onOneEngine()

  const places: [string, number | bigint, number][] = [
    ['in a hole', 0xb0000, 100],
    ['right behind the end of a region', 0xa0000, 1],
    ['reaching one byte over the end of a region', 0xa0000 - 99, 100],
    ['from one region to the next over a hole', 0xa0000 - PAGE, 2 * PAGE + 0x60000],
    ['behind all regions', 2 ** 32 + 16 * MIB, 1],
    ['reaching one byte over the end of the last one', 2 ** 32 + 16 * MIB - 99, 100],
    ['of as many bytes as a length can say', 2 ** 32, 0xffff_ffff],
    ['with a length that wraps', 0xffff_ffff_ffff_f000n, 2 * PAGE],
    ['with a length that wraps to nothing', 0xffff_ffff_ffff_ffffn, 1],
    ['at an address that is no exact number', 2n ** 63n + 1n, 100],
  ]

  it.each(places)('%s, to be read', async (_where, address, length) => {
    tell(() => {
      put(0, address, length, NEXT, 1)
      put(1, device.heap.need(100), 100, WRITE)
    })
    await expectStopped(outside)
  })

  it.each(places)('%s, to be written', async (_where, address, length) => {
    tell(() => {
      put(0, request(), REQUEST_BYTES, NEXT, 1)
      put(1, address, length, WRITE)
    })
    await expectStopped(outside)
  })
})

describe('an indirect table', () => {
  onOneEngine()

  it('inside of an indirect table', async () => {
    tell(() => putTable([[device.heap.need(16), 16, INDIRECT]]))
    await expectStopped('an indirect table inside an indirect table')
  })

  it('that is itself', async () => {
    const { queue } = device
    tell(() => put(0, queue.descriptors, 16, INDIRECT))
    await expectStopped('an indirect table inside an indirect table')
  })

  it('in the middle of a chain', async () => {
    tell(() => {
      put(0, device.heap.need(16), 16, INDIRECT | NEXT, 1)
      put(1, device.heap.need(100), 100, WRITE)
    })
    await expectStopped('an indirect table in the middle of a chain')
  })

  it.each([0, 8, 15, 17, 100, 16 * 1025, 0xffff_fff0])('of %i bytes', async (bytes) => {
    tell(() => putTable([], bytes))
    await expectStopped(`an indirect table of ${bytes} bytes`)
  })

  it.each([
    ['in a hole', 0xb0000],
    ['over the end of a region', 0xa0000 - 16],
    ['at the end of the address space', 0xffff_ffff_ffff_fff0n],
  ])('%s', async (_where, address) => {
    tell(() => put(0, address, 32, INDIRECT))
    await expectStopped("an indirect table outside of the guest's memory")
  })

  it('that was not agreed upon', async () => {
    device.close()
    connect({ indirect: false })
    tell(() => putTable([[request(), REQUEST_BYTES, 0]]))
    await expectStopped('an indirect table, which was not agreed upon')
  })
})

describe('rings that cannot be', () => {
  onOneEngine()

  interface Wrong {
    readonly size?: number
    readonly descriptors?: number
    readonly available?: number
    readonly used?: number
  }

  /** Starts the device with something of its rings told wrongly, in the addresses that frontends use. */
  function startWith(wrong: Wrong): void {
    const { queue, ram, frontend } = device
    device.configure()
    frontend.send('SET_VRING_NUM', u32s(0, wrong.size ?? queue.size))
    const { descriptors: table, used, available } = queue
    const right = [table, used, available].map((address) => ram.userAddress(address))
    const told = [wrong.descriptors, wrong.used, wrong.available].map(
      (each, i) => each ?? right[i]!,
    )
    frontend.send('SET_VRING_ADDR', vringAddress(...(told as [number, number, number])))
    frontend.send('SET_VRING_ENABLE', u32s(0, 1))
    frontend.settle()
  }

  const inHole = 0x7f20_0000_0000
  /** Behind the last byte of the first region. */
  const end = 0x7f50_000a_0000

  it.each<[string, Wrong, string]>([
    ['a table in no memory', { descriptors: inHole }, 'the descriptor table is outside of'],
    ['a table over the end', { descriptors: end - 2032 }, 'the descriptor table is outside of'],
    ['an available ring in no memory', { available: inHole }, 'the available ring is outside of'],
    ['an available ring over the end', { available: end - 260 }, 'the available ring is outside'],
    ['a used ring in no memory', { used: inHole }, 'the used ring is outside of'],
    ['a used ring over the end', { used: end - 1028 }, 'the used ring is outside of'],
    ['a table that is not aligned', { descriptors: end - 4088 }, 'the descriptor table is not'],
    ['an available ring that is not', { available: end - 4095 }, 'the available ring is not'],
    ['a used ring that is not', { used: end - 4094 }, 'the used ring is not'],
    ['no entries', { size: 0 }, 'a queue of 0 entries'],
    ['a size that is no power of two', { size: 127 }, 'a queue of 127 entries'],
    ['more entries than any queue', { size: 2048 }, 'a queue of 2048 entries'],
    ['entries without an end', { size: 0x8000_0000 }, 'a queue of 2147483648 entries'],
  ])('%s', async (_what, wrong, reason) => {
    startWith(wrong)
    await vi.waitFor(() =>
      expect(server.said(connections)[0]).toContain(`the device has stopped: ${reason}`),
    )
    await expectStopped(server.said(connections)[0]!.slice('the device has stopped: '.length))
  })
})

describe('an available index that jumps', () => {
  onOneEngine()

  it.each([129, 1000, 0x8000, 0xffff])('by %i', async (steps) => {
    device.start()
    Atomics.add(device.queue.availableWords, 1, steps)
    device.kick()
    await expectStopped(`${steps} chains at once in a queue of 128`)
  })
})

describe('a chain that is no request', () => {
  onOneEngine()

  it('has something to read behind something to write', async () => {
    tell(() => {
      put(0, device.heap.need(100), 100, WRITE | NEXT, 1)
      put(1, request(), REQUEST_BYTES, 0)
    })
    await expectStopped('a chain in which something to read follows something to write')
  })

  it.each([0, 1, 10])('has room for %i bytes of an answer', async (room) => {
    tell(() => {
      put(0, request(), REQUEST_BYTES, NEXT, 1)
      put(1, device.heap.need(100), room, WRITE)
    })
    await expectStopped(`a request with room for ${room} bytes of an answer`)
  })

  it.each([0, 3, 6])('has %i bytes', async (bytes) => {
    tell(() => {
      put(0, request(), bytes, NEXT, 1)
      put(1, device.heap.need(100), 100, WRITE)
    })
    await expectStopped(`protocol error FRAME_TOO_SMALL: a request of ${bytes} bytes`)
  })
})

describe('a request whose size[4] lies', () => {
  onOneEngine()

  const clunk = requestFrame(1, 'clunk', { fid: 0 })
  const data = { memory: { bytes: Buffer.alloc(100) }, offset: 0, length: 100 }
  const write = requestFrame(1, 'write', { fid: 0, offset: 0, data: data as never })

  function claiming(frame: Buffer, size: number): Buffer {
    const lying = Buffer.from(frame)
    lying.writeUInt32LE(size)
    return lying
  }

  it.each([
    [12, 'TRUNCATED: size[4] is more than the 11 bytes of its chain'],
    [0, "FRAME_TOO_SMALL: size[4] is 0, below the header's 7"],
    [6, "FRAME_TOO_SMALL: size[4] is 6, below the header's 7"],
    [8193, 'FRAME_TOO_LARGE: size[4] is 8193, above the msize of 8192'],
    [0xffff_ffff, 'FRAME_TOO_LARGE: size[4] is 4294967295, above the msize of 8192'],
    [10, 'TRUNCATED: the frame ends 1 bytes too early'],
  ])('in one piece: %i', async (size, reason) => {
    await tellFrame(claiming(clunk, size))
    await expectStopped(`protocol error ${reason}`)
  })

  it.each([
    [12, 'TRUNCATED: size[4] is more than the 11 bytes of its chain'],
    [6, "FRAME_TOO_SMALL: size[4] is 6, below the header's 7"],
    [0xffff_ffff, 'FRAME_TOO_LARGE: size[4] is 4294967295, above the msize of 8192'],
  ])('in three pieces: %i', async (size, reason) => {
    await tellFrame(claiming(clunk, size), 2, 5)
    await expectStopped(`protocol error ${reason}`)
  })

  it.each([
    [124, 'TRUNCATED: size[4] is more than the 123 bytes of its chain'],
    [122, 'TRUNCATED: the frame ends 1 bytes too early'],
    [23, 'TRUNCATED: the frame ends 100 bytes too early'],
    [8193, 'FRAME_TOO_LARGE: size[4] is 8193, above the msize of 8192'],
  ])('in a Twrite whose bytes lie apart: %i', async (size, reason) => {
    await tellFrame(claiming(write, size), 23)
    await expectStopped(`protocol error ${reason}`)
  })

  it('or whose count does, in a Twrite whose bytes lie apart', async () => {
    const frame = Buffer.from(write)
    frame.writeUInt32LE(101, 19)
    await tellFrame(frame, 23)
    await expectStopped('protocol error TRUNCATED: the frame ends 1 bytes too early')
  })

  it('and one that is larger than msize, in pieces', async () => {
    await tellFrame(claiming(Buffer.concat([clunk, Buffer.alloc(MSIZE)]), 11), 11)
    await expectStopped('protocol error FRAME_TOO_LARGE: 8203 bytes, above the msize of 8192')
  })
})

describe('a request that breaks the protocol', () => {
  onOneEngine()

  it('before Tversion', async () => {
    device.start()
    const frame = requestFrame(1, 'clunk', { fid: 0 })
    const { ram, heap, queue } = device
    const address = heap.need(frame.length)
    ram.bytes(address, frame.length).set(frame)
    queue.add([
      { address, length: frame.length, isWritable: false },
      { address: heap.need(100), length: 100, isWritable: true },
    ])
    device.kick()
    await expectStopped('protocol error NO_VERSION: Tclunk before Tversion')
  })

  it('with more names than a walk has', async () => {
    const body = Buffer.alloc(200)
    body.writeUInt16LE(17, 8)
    await tellFrame(rawFrame(110, 1, body))
    await expectStopped('protocol error LIST_TOO_LONG: 17 elements where 16 are allowed')
  })
})
