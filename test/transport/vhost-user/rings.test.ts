import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../../src/9p/client.ts'
import { WINDOW_BYTES } from '../../../src/sys/mapping.ts'
import { flags, limits, payloadBytes } from '../../../src/9p/index.ts'
import { memoryOf, requestFrame } from '../../support/frames.ts'
import { afterwards, temporaryDirectory } from '../../support/temporary.ts'
import { type DeviceServer, serveDevices } from '../../support/vhost-user/device-server.ts'
import { u32s, u64 } from '../../support/vhost-user/frontend.ts'
import { type Layout, linux, scattered } from '../../support/vhost-user/layouts.ts'
import type { DeviceOptions, VirtualDevice } from '../../support/vhost-user/virtual-device.ts'
import { clientOn } from '../../support/vhost-user/virtqueue-stream.ts'

const { WRLCK, UNLCK, BLOCK, SUCCESS } = flags.lock
const MSIZE = 32_768
const MIB = 2 ** 20

let directory: string
let server: DeviceServer

beforeEach(async () => {
  directory = temporaryDirectory()
  writeFileSync(join(directory, 'file'), 'hello')
  writeFileSync(join(directory, 'big'), big)
  server = await serveDevices(directory)
  afterwards(() => void server.engine.close())
})

const big = Buffer.from(Uint32Array.from({ length: MIB / 4 }, (_, i) => i * 2_654_435_761).buffer)

function made(options: Partial<DeviceOptions> = {}): VirtualDevice {
  const device = server.device(options)
  afterwards(() => device.close())
  return device
}

/** A client whose fid 1 is `name`, open. */
async function opened(
  device: VirtualDevice,
  name: string,
  how = 0,
  layout: Layout = linux,
  msize = MSIZE,
): Promise<Client> {
  const client = await clientOn(device, layout, msize)
  await client.call.walk({ fid: 0, newfid: 1, names: [name] })
  await client.call.lopen({ fid: 1, flags: how })
  return client
}

async function textOf(client: Client): Promise<string> {
  return payloadBytes((await client.call.read({ fid: 1, offset: 0, count: 9 })).data).toString()
}

/** All of the big file, as many pieces as there are at once. */
async function readAll(client: Client): Promise<Buffer> {
  const count = 20_000
  const parts = Array.from({ length: Math.ceil(MIB / count) }, async (_, i) =>
    payloadBytes((await client.call.read({ fid: 1, offset: i * count, count })).data),
  )
  return Buffer.concat(await Promise.all(parts))
}

function lock(client: Client, type: number, wait = 0): Promise<{ readonly status: number }> {
  const range = { start: 0n, length: 0n, procId: 1, clientId: 'g' }
  return client.call.lock({ fid: 1, type, flags: wait, ...range })
}

/** The backend has looked at all that there is to do, again and again. */
function goRound({ frontend }: VirtualDevice): void {
  for (let i = 0; i < 10; i++) frontend.settle()
}

describe('a ring', () => {
  it('is served while it is enabled, including requests from before', async () => {
    const device = made()
    device.configure()
    const { queue, frontend } = device
    const waiting = opened(device, 'file')
    frontend.settle()
    await vi.waitFor(() => expect(queue.underWay).toBe(1))
    goRound(device)
    expect(queue.usedWords[1]).toBe(0)
    frontend.send('SET_VRING_ENABLE', u32s(0, 1))
    const client = await waiting
    frontend.send('SET_VRING_ENABLE', u32s(0, 0))
    frontend.settle()
    const before = queue.usedWords[1]
    const text = textOf(client)
    goRound(device)
    expect(queue.usedWords[1]).toBe(before)
    frontend.send('SET_VRING_ENABLE', u32s(0, 1))
    expect(await text).toBe('hello')
    client.close()
  })

  it('is served without being enabled if protocol features were not negotiated', async () => {
    const device = made()
    const { frontend, features } = device
    device.configure()
    frontend.ask('GET_VRING_BASE', u32s(0, 0))
    frontend.send('SET_FEATURES', u64(features & ~(1n << 30n)))
    frontend.send('SET_VRING_KICK', u64(0), [device.kickFd])
    frontend.send('SET_VRING_CALL', u64(0), [device.callFd])
    const client = await opened(device, 'file')
    expect(await textOf(client)).toBe('hello')
    client.close()
  })

  it('notifies its driver later of answers from before it had a descriptor for that', async () => {
    const device = made()
    device.configure()
    const { queue, frontend } = device
    frontend.send('SET_VRING_CALL', u64(1n << 8n))
    frontend.send('SET_VRING_ENABLE', u32s(0, 1))
    frontend.settle()
    device.calls()
    const waiting = opened(device, 'file')
    await vi.waitFor(() => expect(queue.usedWords[1]).toBe(1))
    frontend.settle()
    goRound(device)
    expect(device.isCalled(0)).toBe(false)
    frontend.send('SET_VRING_CALL', u64(0), [device.callFd])
    const client = await waiting
    client.close()
  })

  it('goes on at its index, again and again, under load', async () => {
    const device = made().start()
    const client = await opened(device, 'big')
    for (let round = 0; round < 10; round++) {
      const reading = readAll(client)
      for (let pause = 0; pause < 5; pause++) {
        const next = device.stop()
        // Nothing moves in a machine that is paused.
        const before = device.queue.usedWords[1]
        goRound(device)
        expect(device.queue.usedWords[1]).toBe(before)
        device.start(next)
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect((await reading).equals(big)).toBe(true)
    }
    expect(server.said(1)).toEqual([])
    client.close()
  })

  it('goes on when memory comes and goes under it', async () => {
    const device = made().start()
    const client = await opened(device, 'big')
    const { regions } = device.ram
    for (let round = 0; round < 5; round++) {
      const reading = readAll(client)
      for (let i = 0; i < 10; i++) {
        // In another order, so that each is mapped elsewhere.
        device.sendMemory(i % 2 === 0 ? regions.toReversed() : regions)
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect((await reading).equals(big)).toBe(true)
    }
    expect(server.said(1)).toEqual([])
    client.close()
  })

  it('may be full: the rest waits for its turn', async () => {
    const device = made({ size: 4, indirect: false }).start()
    const client = await clientOn(device, linux, 4096)
    const mask = flags.getattr.BASIC
    const all = await Promise.all(
      Array.from({ length: 300 }, () => client.call.getattr({ fid: 0, mask })),
    )
    expect(new Set(all.map(({ qid }) => qid.path)).size).toBe(1)
    client.close()
  })
})

describe('a request that waits', () => {
  it('is answered after a pause of the machine, whenever its answer comes', async () => {
    const device = made().start()
    const holder = await server.client()
    await holder.call.walk({ fid: 0, newfid: 1, names: ['file'] })
    await holder.call.lopen({ fid: 1, flags: flags.open.RDWR })
    const client = await opened(device, 'file', flags.open.RDWR)
    for (const when of ['during', 'after']) {
      expect(await lock(holder, WRLCK)).toEqual({ status: SUCCESS })
      const waits = lock(client, WRLCK, BLOCK)
      await client.call.getattr({ fid: 0, mask: 0 })
      const next = device.stop()
      if (when === 'during') await lock(holder, UNLCK)
      device.start(next)
      if (when === 'after') await lock(holder, UNLCK)
      expect(await waits).toEqual({ status: SUCCESS })
      await lock(client, UNLCK)
    }
    for (const each of [client, holder]) each.close()
  })

  it('is dropped when its driver begins anew', async () => {
    const device = made().start()
    const holder = await server.client()
    await holder.call.walk({ fid: 0, newfid: 1, names: ['file'] })
    await holder.call.lopen({ fid: 1, flags: flags.open.RDWR })
    const client = await opened(device, 'file', flags.open.RDWR)
    expect(await lock(holder, WRLCK)).toEqual({ status: SUCCESS })
    lock(client, WRLCK, BLOCK).catch(() => {})
    await client.call.getattr({ fid: 0, mask: 0 })
    client.close()
    device.reset()
    expect(await lock(holder, UNLCK)).toEqual({ status: SUCCESS })
    // No other client has got it.
    expect(await lock(holder, WRLCK)).toEqual({ status: SUCCESS })
    expect(device.queue.usedWords[1]).toBe(0)
    const next = await opened(device, 'file')
    expect(await textOf(next)).toBe('hello')
    for (const each of [next, holder]) each.close()
  })

  it('is taken back by a flush, and its chain comes back unused', async () => {
    const device = made().start()
    const holder = await server.client()
    await holder.call.walk({ fid: 0, newfid: 1, names: ['file'] })
    await holder.call.lopen({ fid: 1, flags: flags.open.RDWR })
    expect(await lock(holder, WRLCK)).toEqual({ status: SUCCESS })
    const client = await opened(device, 'file', flags.open.RDWR)
    const range = { start: 0n, length: 0n, procId: 1, clientId: 'g' }
    const { tag, reply } = client.send('lock', { fid: 1, type: WRLCK, flags: BLOCK, ...range })
    const gone = reply.catch(String)
    await client.call.flush({ oldtag: tag })
    client.forget(tag)
    expect(await gone).toBe('Error: the request was flushed')
    expect(device.queue.underWay).toBe(0)
    for (const each of [client, holder]) each.close()
  })

  it('ends with its front end: others get the lock that it waited for', async () => {
    const holder = await server.client()
    await holder.call.walk({ fid: 0, newfid: 1, names: ['file'] })
    await holder.call.lopen({ fid: 1, flags: flags.open.RDWR })
    const before = server.descriptors()
    const device = server.device().start()
    const client = await opened(device, 'file', flags.open.RDWR)
    expect(await lock(client, WRLCK)).toEqual({ status: SUCCESS })
    const waits = lock(holder, WRLCK, BLOCK)
    await holder.call.getattr({ fid: 0, mask: 0 })
    const parts = readAll(client).catch(() => {})
    device.close()
    client.close()
    expect(await waits).toEqual({ status: SUCCESS })
    await parts
    await lock(holder, UNLCK)
    await vi.waitFor(() => expect(server.descriptors()).toBe(before))
    holder.close()
  })
})

describe('several devices of one engine', () => {
  it('are served at the same time, each with fids of its own', async () => {
    const names = ['one', 'two', 'three', 'four']
    for (const name of names) writeFileSync(join(directory, name), name.repeat(4000))
    const layouts = [linux, scattered, linux, scattered]
    const clients = await Promise.all(
      names.map((name, i) =>
        opened(made({ eventIndex: i % 2 === 0 }).start(), name, 0, layouts[i]),
      ),
    )
    for (let round = 0; round < 20; round++) {
      const texts = await Promise.all(
        clients.map(async (client) => {
          const { data } = await client.call.read({ fid: 1, offset: round, count: 10_000 })
          return payloadBytes(data).toString()
        }),
      )
      const whole = names.map((name) => name.repeat(4000).slice(round, round + 10_000))
      expect(texts.map((text, i) => text === whole[i])).toEqual([true, true, true, true])
    }
    for (const client of clients) client.close()
  })
})

describe('memory', () => {
  it('is used up to the last byte of a region, from the first on', async () => {
    // The table at the beginning of a region, and both rings at the ends of others.
    const size = 64
    const places = {
      descriptors: MIB,
      available: 0xa0000 - (6 + 2 * size),
      used: 2 ** 32 + 16 * MIB - (8 + 8 * size),
    }
    const device = made({ size, places }).start()
    device.calls()
    const frame = requestFrame(limits.NOTAG, 'version', { msize: 8192, version: limits.VERSION })
    for (const [from, into] of [
      [17 * MIB - frame.length, 0],
      [0, 17 * MIB - 21],
    ] as const) {
      device.ram.bytes(from, frame.length).set(frame)
      device.queue.add([
        { address: from, length: frame.length, isWritable: false },
        { address: into, length: 21, isWritable: true },
      ])
      device.kick()
      expect(device.isCalled(5000)).toBe(true)
      device.calls()
      expect(device.queue.take()).toMatchObject({ length: 21 })
      device.queue.listen()
      expect(device.ram.bytes(into, 21)).toEqual(
        Buffer.concat([Buffer.from([21, 0, 0, 0, 101]), frame.subarray(5)]),
      )
    }
    expect(server.said(1)).toEqual([])
  })

  it('is one for an indirect table where what is looked at in one piece ends', () => {
    const table = WINDOW_BYTES - 16
    const regions = [
      { file: 0, guestAddress: 0, size: WINDOW_BYTES + 16 * MIB, userAddress: MIB, offset: 0 },
    ]
    const device = made({ regions }).start()
    device.calls()
    const { queue, ram } = device
    const frame = requestFrame(limits.NOTAG, 'version', { msize: 8192, version: limits.VERSION })
    ram.bytes(0, frame.length).set(frame)
    queue.describe(table, 0, { address: 0, length: frame.length, flags: 1, next: 1 })
    queue.describe(table + 16, 0, { address: 4096, length: 100, flags: 2 })
    queue.describe(queue.descriptors, 0, { address: table, length: 32, flags: 4 })
    queue.offer(0)
    device.kick()
    expect(device.isCalled(5000)).toBe(true)
    expect(ram.bytes(4096, 7)).toEqual(Buffer.from([21, 0, 0, 0, 101, 0xff, 0xff]))
  })

  it('is one where regions follow one another in the guest, though nowhere else', async () => {
    const device = made().start()
    const seam = 2 ** 32 + 8 * MIB
    /** Requests and answers lie half in the one and half in the other region. */
    const across: Layout = (ram, _heap, frame, room) => {
      const from = seam - Math.ceil(frame.length / 2)
      for (const [i, byte] of frame.entries()) ram.bytes(from + i, 1)[0] = byte
      const into = seam - 13
      const answer = (length: number): Buffer =>
        Buffer.concat(Array.from({ length }, (_, i) => ram.bytes(into + i, 1)))
      const parts = [
        { address: from, length: frame.length, isWritable: false },
        { address: into, length: room, isWritable: true },
      ]
      return { parts, answer, free: () => {} }
    }
    const client = await opened(device, 'big', flags.open.RDWR, across)
    const { data } = await client.call.read({ fid: 1, offset: 5, count: 9000 })
    expect(payloadBytes(data).equals(big.subarray(5, 9005))).toBe(true)
    const bytes = { memory: memoryOf(Buffer.alloc(3000, 'w')), offset: 0, length: 3000 }
    await client.call.write({ fid: 1, offset: 100, data: bytes })
    expect(
      readFileSync(join(directory, 'big')).subarray(100, 3100).equals(bytes.memory.bytes),
    ).toBe(true)
    const entries = await list(client)
    expect(entries).toBeGreaterThan(50)
    client.close()
  })

  it.each([
    ['the descriptor table', { descriptors: -32, available: MIB, used: 2 * MIB }],
    ['the available ring', { descriptors: MIB, available: -32, used: 2 * MIB }],
    ['the used ring', { descriptors: MIB, available: 2 * MIB, used: -32 }],
  ])(
    'is one also where what is looked at in one piece ends: %s and all answers',
    async (_what, at) => {
      const size = 2 * WINDOW_BYTES + 16 * MIB
      const regions = [{ file: 0, guestAddress: 0, size, userAddress: MIB, offset: 0 }]
      const places = {
        descriptors: WINDOW_BYTES + at.descriptors,
        available: WINDOW_BYTES + at.available,
        used: WINDOW_BYTES + at.used,
      }
      const device = made({ regions, places, indirect: false }).start()
      // Large answers have a seam of their own.
      const into = 2 * WINDOW_BYTES - 4000
      let isLarge = false
      const layout: Layout = (ram, heap, frame, room) => {
        if (!isLarge) return linux(ram, heap, frame, room)
        const from = 5 * MIB
        ram.bytes(from, frame.length).set(frame)
        const parts = [
          { address: from, length: frame.length, isWritable: false },
          { address: into, length: room, isWritable: true },
        ]
        const answer = (length: number): Buffer =>
          Buffer.concat([ram.bytes(into, 4000), ram.bytes(into + 4000, length - 4000)])
        return { parts, answer, free: () => {} }
      }
      const client = await opened(device, 'big', 0, layout, 131_072)
      isLarge = true
      const { data } = await client.call.read({ fid: 1, offset: 5, count: 100_000 })
      expect(payloadBytes(data).equals(big.subarray(5, 100_005))).toBe(true)
      client.close()
    },
  )
})

/** How many bytes the entries of the root take. */
async function list(client: Client): Promise<number> {
  await client.call.walk({ fid: 0, newfid: 7, names: [] })
  await client.call.lopen({ fid: 7, flags: flags.open.DIRECTORY })
  const { data } = await client.call.readdir({ fid: 7, offset: 0n, count: 8000 })
  return data.length
}

describe('notifications', () => {
  it.each([
    ['event indices', true],
    ['flags', false],
  ])(
    'with %s: none is lost, with a driver on another processor that sleeps',
    (_with, eventIndex) => {
      const device = made({ eventIndex, size: 16 }).start()
      const { queue, ram, heap } = device
      const frame = requestFrame(limits.NOTAG, 'version', { msize: 8192, version: limits.VERSION })
      const from = heap.need(frame.length)
      ram.bytes(from, frame.length).set(frame)
      const into = heap.need(100)
      const parts = [
        { address: from, length: frame.length, isWritable: false },
        { address: into, length: 100, isWritable: true },
      ]
      let kicks = 0
      let calls = 0
      let sleeps = 0
      let answers = 0
      for (let round = 0; round < 500 || kicks === 0 || sleeps === 0; round++) {
        const batch = 1 + (round % 16)
        queue.listen()
        for (let i = 0; i < batch; i++) expect(queue.add(parts)).toBeDefined()
        if (queue.mustKick()) {
          kicks++
          device.kick()
        }
        for (let left = batch; left > 0;) {
          const used = queue.take()
          if (used !== undefined) {
            answers++
            left--
          } else if (!queue.listen()) {
            // It sleeps now; if it is not woken, something is lost.
            sleeps++
            if (!device.isCalled(60_000)) throw new Error(`nothing came in round ${round}`)
            calls += device.calls()
          }
        }
        // Long enough for the other side to fall asleep, now and then.
        if (round % 50 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
      }
      expect(answers).toBeGreaterThan(1000)
      expect(kicks).toBeGreaterThan(0)
      expect(kicks).toBeLessThan(answers)
      expect(calls).toBeLessThanOrEqual(answers)
      expect(sleeps).toBeGreaterThan(0)
    },
  )
})
