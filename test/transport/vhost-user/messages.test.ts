import { mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createEventfd } from '../../../src/sys/eventfd.ts'
import { discard } from '../../../src/sys/files.ts'
import { createMemfd } from '../../../src/sys/memfd.ts'
import { TAG_BYTES_MAX } from '../../../src/transport/vhost-user/p9-device.ts'
import type { MemoryRegion } from '../../../src/transport/vhost-user/guest-memory.ts'
import { request, type RequestName } from '../../../src/transport/vhost-user/requests.ts'
import { memfdMappings } from '../../support/descriptors.ts'
import { TAG } from '../../support/vhost-user/device-kinds.ts'
import { type DeviceServer, serveDevices } from '../../support/vhost-user/device-server.ts'
import {
  Frontend,
  memoryTable,
  messageBytes,
  NEED_REPLY,
  REPLY,
  u32s,
  u64,
  VERSION,
  vringAddress,
} from '../../support/vhost-user/frontend.ts'
import { PAGE } from '../../support/vhost-user/guest-ram.ts'
import { VirtualDevice } from '../../support/vhost-user/virtual-device.ts'

let folder: string
let server: DeviceServer
/** How many have connected. */
let connections: number
let frontend: Frontend
/** Of the server, without the connection. */
let descriptors: number
/** A memory, and what wakes. */
let memfd: number
let eventfd: number

/** What the server says of memory that could lose its end, see test/attack/truncated-memory.test.ts. */
const truncatable =
  'region 0 of guest memory is a file that the frontend could truncate, which would end this server (SIGBUS): ' +
  'use a memfd that can be sealed (for QEMU: memory-backend-memfd), or listen with the option unsealed'

/** One engine for the tests of a kind, and a connection for each. */
function onOneEngine(): void {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
    mkdirSync(join(folder, 'tree'))
    server = await serveDevices(join(folder, 'tree'), {}, folder)
    connections = 0
  })

  beforeEach(() => {
    memfd = createMemfd(4 * PAGE)
    eventfd = createEventfd()
    descriptors = server.descriptors()
    connect()
  })

  afterEach(async () => {
    frontend.close()
    // Whatever came along, nothing is left of it.
    await vi.waitFor(() =>
      expect([server.descriptors(), memfdMappings(server.engine.pid)]).toEqual([descriptors, 0]),
    )
    for (const fd of [memfd, eventfd]) discard(fd)
  })

  afterAll(async () => {
    await server.engine.close()
    rmSync(folder, { recursive: true })
  })
}

function connect(): void {
  frontend = new Frontend(server.devicePath)
  connections++
}

async function expectSaid(line: string): Promise<void> {
  await vi.waitFor(() => expect(server.said(connections)).toEqual([line]))
}

/** The connection is over, for a reason that the log has, and others are let in. */
async function expectEnd(reason: string): Promise<void> {
  expect(frontend.isOver()).toBe(true)
  await expectSaid(reason)
  frontend.close()
  connect()
  frontend.settle()
}

const region: MemoryRegion = {
  guestAddress: 0,
  size: 2 * PAGE,
  userAddress: 0x7f00_0000_0000,
  offset: PAGE,
}

/** Payloads that are right, and how many descriptors belong to them. */
const right: Partial<Record<RequestName, [Buffer, 0 | 1]>> = {
  GET_FEATURES: [Buffer.alloc(0), 0],
  SET_FEATURES: [u64((1n << 32n) | (1n << 30n)), 0],
  SET_OWNER: [Buffer.alloc(0), 0],
  RESET_OWNER: [Buffer.alloc(0), 0],
  SET_MEM_TABLE: [memoryTable([region]), 1],
  SET_VRING_NUM: [u32s(0, 128), 0],
  SET_VRING_ADDR: [vringAddress(0, 0, 0), 0],
  SET_VRING_BASE: [u32s(0, 5), 0],
  GET_VRING_BASE: [u32s(0, 0), 0],
  SET_VRING_KICK: [u64(0), 1],
  SET_VRING_CALL: [u64(0), 1],
  SET_VRING_ERR: [u64(0), 1],
  GET_PROTOCOL_FEATURES: [Buffer.alloc(0), 0],
  SET_PROTOCOL_FEATURES: [u64(0), 0],
  GET_QUEUE_NUM: [Buffer.alloc(0), 0],
  SET_VRING_ENABLE: [u32s(0, 0), 0],
  GET_CONFIG: [Buffer.concat([u32s(0, 4, 0), Buffer.alloc(4)]), 0],
  SET_CONFIG: [Buffer.concat([u32s(0, 4, 0), Buffer.alloc(4)]), 0],
}
const names = Object.keys(right) as RequestName[]
const answered: ReadonlySet<RequestName> = new Set<RequestName>([
  'GET_FEATURES',
  'GET_PROTOCOL_FEATURES',
  'GET_QUEUE_NUM',
  'GET_VRING_BASE',
  'GET_CONFIG',
])

/** A payload of {@link right}. Devices with a state know further requests: device-state.test.ts has these. */
function payloadOf(name: RequestName): [Buffer, 0 | 1] {
  return right[name] as [Buffer, 0 | 1]
}

/** The descriptors that belong to a request. */
function belonging(name: RequestName): number[] {
  return payloadOf(name)[1] === 0 ? [] : [name === 'SET_MEM_TABLE' ? memfd : eventfd]
}

describe('a frontend is told', () => {
  onOneEngine()

  it('what the device, and the protocol, can do', () => {
    // The mount tag; indirect tables, event indices, features of the protocol; virtio 1.
    expect(frontend.ask('GET_FEATURES').readBigUInt64LE()).toBe(0x1_7000_0001n)
    // MQ, REPLY_ACK, CONFIG.
    expect(frontend.ask('GET_PROTOCOL_FEATURES').readBigUInt64LE()).toBe(0x209n)
    expect(frontend.ask('GET_QUEUE_NUM').readBigUInt64LE()).toBe(1n)
  })

  it('the mount tag, in configuration spaces of every size', () => {
    const space = Buffer.alloc(256)
    space.writeUInt16LE(TAG.length)
    space.write(TAG, 2)
    expect(TAG_BYTES_MAX).toBe(254)
    for (let size = 0; size <= 256; size++) {
      for (const offset of [0, Math.min(1, 256 - size), 256 - size]) {
        const asked = Buffer.concat([u32s(offset, size, 0), Buffer.alloc(size)])
        const answer = frontend.ask('GET_CONFIG', asked)
        expect(answer.subarray(0, 8)).toEqual(u32s(offset, size))
        expect(answer.subarray(12)).toEqual(space.subarray(offset, offset + size))
      }
    }
  })

  it.each([
    [0, 257],
    [257, 0],
    [256, 1],
    [1, 0xffff_ffff],
    [0xffff_ffff, 1],
    [0xffff_ffff, 0xffff_ffff],
  ])('nothing of what lies behind it: %i, %i', (offset, size) => {
    // A failure is an answer without a payload.
    expect(frontend.ask('GET_CONFIG', u32s(offset, size, 0)).length).toBe(0)
  })

  it('the same after SET_CONFIG: the tag is the host’s to choose', () => {
    const before = frontend.ask('GET_CONFIG', u32s(0, 256, 0))
    const changed = Buffer.concat([u32s(0, 20, 0), Buffer.alloc(20, 'x')])
    expect(frontend.acknowledged('SET_CONFIG', changed)).toBe(0n)
    expect(frontend.ask('GET_CONFIG', u32s(0, 256, 0))).toEqual(before)
  })

  it('the index of a ring that never ran', () => {
    frontend.send('SET_VRING_BASE', u32s(0, 0x1234))
    expect(frontend.ask('GET_VRING_BASE', u32s(0, 0))).toEqual(u32s(0, 0x1234))
  })
})

describe('a request', () => {
  onOneEngine()

  it.each(names)('has one answer, with and without NEED_REPLY: %s', (name) => {
    const [payload] = payloadOf(name)
    if (answered.has(name)) frontend.ask(name, payload)
    else frontend.send(name, payload, belonging(name))
    const answer = frontend.ask(name, payload, belonging(name), NEED_REPLY)
    expect(answered.has(name) || answer.equals(u64(0))).toBe(true)
    expect(frontend.ask('GET_QUEUE_NUM').readBigUInt64LE()).toBe(1n)
    expect(server.said(connections)).toEqual([])
  })

  it.each(names)('may come in as many parts as it has bytes: %s', (name) => {
    const bytes = messageBytes(name, payloadOf(name)[0], VERSION | NEED_REPLY)
    for (const [i, byte] of bytes.entries()) {
      frontend.sendBytes(Buffer.from([byte]), i === 0 ? belonging(name) : [])
    }
    expect(frontend.answer()).toMatchObject({ request: request[name], flags: VERSION | REPLY })
    expect(server.said(connections)).toEqual([])
  })

  it.each(names)('keeps no descriptor that does not belong to it: %s', async (name) => {
    frontend.send(name, payloadOf(name)[0], [...belonging(name), eventfd, memfd, eventfd])
    if (answered.has(name)) frontend.answer()
    frontend.settle()
    // The connection, and what it keeps.
    const kept = name === 'SET_VRING_KICK' || name === 'SET_VRING_CALL' ? 1 : 0
    await vi.waitFor(() => expect(server.descriptors()).toBe(descriptors + 1 + kept))
  })

  it('may come together with others, each with descriptors of its own', async () => {
    const parts: [RequestName, Buffer][] = [
      ['SET_VRING_KICK', u64(0)],
      ['SET_VRING_CALL', u64(0)],
      ['SET_MEM_TABLE', memoryTable([region])],
    ]
    // All of it is there before the backend looks.
    for (const [name, payload] of parts) frontend.send(name, payload, belonging(name))
    frontend.sendBytes(
      Buffer.concat([
        messageBytes('GET_QUEUE_NUM', Buffer.alloc(0)),
        messageBytes('GET_VRING_BASE', u32s(0, 0)),
        messageBytes('GET_FEATURES', Buffer.alloc(0)).subarray(0, 7),
      ]),
    )
    expect(frontend.answer()?.request).toBe(request.GET_QUEUE_NUM)
    expect(frontend.answer()?.request).toBe(request.GET_VRING_BASE)
    frontend.sendBytes(messageBytes('GET_FEATURES', Buffer.alloc(0)).subarray(7))
    expect(frontend.answer()?.request).toBe(request.GET_FEATURES)
    // GET_VRING_BASE gives both back.
    await vi.waitFor(() => expect(server.descriptors()).toBe(descriptors + 1))
  })
})

describe('a descriptor', () => {
  onOneEngine()

  it('is given back when another takes its place, or none does', async () => {
    for (let i = 0; i < 50; i++) {
      frontend.send('SET_VRING_CALL', u64(0), [eventfd])
      frontend.send('SET_VRING_KICK', u64(0), [eventfd])
      frontend.send('SET_MEM_TABLE', memoryTable([region, region]), [memfd, memfd])
    }
    frontend.settle()
    await vi.waitFor(() => expect(server.descriptors()).toBe(descriptors + 1 + 2))
    // So is the memory: the last table has two regions.
    expect(memfdMappings(server.engine.pid)).toBe(2)
    frontend.send('SET_VRING_CALL', u64(1n << 8n))
    frontend.settle()
    await vi.waitFor(() => expect(server.descriptors()).toBe(descriptors + 1 + 1))
  })

  it.each(['SET_VRING_KICK', 'SET_VRING_CALL'] as const)('must be there: %s', async (name) => {
    frontend.send(name, u64(0))
    await expectEnd(`${name} without its descriptor`)
  })

  it('must be there for each region', async () => {
    frontend.send('SET_MEM_TABLE', memoryTable([region, region]), [memfd])
    await expectEnd('SET_MEM_TABLE without its descriptors')
  })

  it('does not come in such numbers that none are left', async () => {
    const bytes = messageBytes('SET_VRING_CALL', u64(0))
    const many = Array.from({ length: 30 }, () => eventfd)
    frontend.sendBytes(bytes.subarray(0, 1), many)
    frontend.sendBytes(bytes.subarray(1, 2), many)
    await expectEnd('a message with 60 descriptors, where 32 are the most')
  })

  it('for the driver’s notifications must be there: the server does not poll a ring all the time', async () => {
    frontend.send('SET_VRING_KICK', u64(1n << 8n))
    await expectEnd('a ring without a descriptor to be woken by')
  })
})

describe('a message that is none', () => {
  onOneEngine()

  const short: [RequestName, number][] = [
    ['SET_FEATURES', 8],
    ['SET_MEM_TABLE', 4],
    ['SET_MEM_TABLE', 40],
    ['SET_VRING_NUM', 4],
    ['SET_VRING_NUM', 8],
    ['SET_VRING_ADDR', 4],
    ['SET_VRING_ADDR', 32],
    ['SET_VRING_BASE', 8],
    ['GET_VRING_BASE', 4],
    ['SET_VRING_KICK', 8],
    ['SET_VRING_CALL', 8],
    ['SET_VRING_ENABLE', 8],
    ['GET_CONFIG', 8],
  ]

  it.each(short)('%s with less than %i bytes', async (name, least) => {
    frontend.send(name, payloadOf(name)[0].subarray(0, least - 1), belonging(name))
    await expectEnd(`${name} with ${least - 1} bytes, which are too few`)
  })

  const ofQueue: RequestName[] = [
    'SET_VRING_NUM',
    'SET_VRING_ADDR',
    'SET_VRING_BASE',
    'GET_VRING_BASE',
    'SET_VRING_KICK',
    'SET_VRING_CALL',
    'SET_VRING_ENABLE',
  ]

  it.each(ofQueue)('%s for another queue', async (name) => {
    const payload = Buffer.from(payloadOf(name)[0])
    payload[0] = 1
    frontend.send(name, payload, belonging(name))
    await expectEnd('queue 1, where there is only queue 0')
  })

  it.each([0, 6, 7, 19, 23, 26, 34, 255, 0xffff_ffff])('a request %i', async (number) => {
    frontend.send(number, u64(0), [eventfd, memfd])
    await expectEnd(`request ${number}, which is not known here`)
  })

  it.each([0, 2, 3])('a version of %i', async (version) => {
    frontend.send('SET_VRING_CALL', u64(0), [eventfd], version)
    await expectEnd(`a message of version ${version}, where there is only 1`)
  })

  it.each([1025, 0xffff_ffff])('a payload of %i bytes', async (size) => {
    frontend.sendBytes(u32s(request.SET_VRING_CALL, VERSION, size), [eventfd])
    await expectEnd(`a message of ${size} bytes, where 1024 are the most`)
  })

  it('features that were not offered', async () => {
    frontend.send('SET_FEATURES', u64((1n << 32n) | (1n << 34n)))
    await expectEnd('features 0x500000000, some of which were not offered')
  })
})

describe('a memory table', () => {
  onOneEngine()

  it.each([1, 8])('has up to eight regions: %i', (count) => {
    const regions = Array.from({ length: count }, () => region)
    const files = regions.map(() => memfd)
    expect(frontend.acknowledged('SET_MEM_TABLE', memoryTable(regions), files)).toBe(0n)
  })

  it('may be empty', () => {
    expect(frontend.acknowledged('SET_MEM_TABLE', memoryTable([]))).toBe(0n)
  })

  it('has no more', async () => {
    const regions = Array.from({ length: 9 }, () => region)
    const files = regions.map(() => memfd)
    frontend.send('SET_MEM_TABLE', memoryTable(regions), files)
    await expectEnd('9 memory regions, where 8 are the most')
  })

  it.each([
    ['by a byte', 2 * PAGE + 1, 2 * PAGE],
    ['by all of it', PAGE, 4 * PAGE],
    ['by more than there can be', 2 ** 52, 0],
  ])('has no region that is longer than its file, %s', async (_how, size, offset) => {
    const regions = [region, { ...region, size, offset }]
    frontend.send('SET_MEM_TABLE', memoryTable(regions), [memfd, memfd])
    await expectEnd('a region of guest memory is longer than the file it is in')
  })

  it('has no region in what is no file', async () => {
    frontend.send('SET_MEM_TABLE', memoryTable([region]), [eventfd])
    await expectEnd(truncatable)
  })

  it('has no addresses that are no exact numbers', async () => {
    const table = memoryTable([region])
    table.writeBigUInt64LE(2n ** 53n, 8)
    frontend.send('SET_MEM_TABLE', table, [memfd])
    await expectEnd('the address 0x20000000000000')
  })

  it('may have regions that begin in the middle of a page', () => {
    const regions = [{ ...region, offset: 100 }]
    expect(frontend.acknowledged('SET_MEM_TABLE', memoryTable(regions), [memfd])).toBe(0n)
  })

  it('is refused with a region of no bytes', async () => {
    const table = memoryTable([region, { ...region, size: 0 }])
    expect(frontend.acknowledged('SET_MEM_TABLE', table, [memfd, memfd])).toBe(1n)
    await expectSaid('SET_MEM_TABLE failed: mmap: EINVAL')
    // The connection goes on.
    expect(frontend.acknowledged('SET_MEM_TABLE', memoryTable([region]), [memfd])).toBe(0n)
  })

  it('ends the connection with a region of no bytes, where no answer is wanted', async () => {
    const table = memoryTable([region, { ...region, size: 0 }])
    frontend.send('SET_MEM_TABLE', table, [memfd, memfd])
    await expectEnd('mmap: EINVAL')
  })

  it('has no region in a file that may not be written to', async () => {
    const fd = openSync(`/proc/self/fd/${memfd}`, 'r')
    frontend.send('SET_MEM_TABLE', memoryTable([region]), [fd])
    discard(fd)
    await expectEnd(truncatable)
  })

  it('is refused with a region that cannot be mapped', async () => {
    const regions = [{ ...region, size: 0 }]
    expect(frontend.acknowledged('SET_MEM_TABLE', memoryTable(regions), [memfd])).toBe(1n)
    await expectSaid('SET_MEM_TABLE failed: mmap: EINVAL')
  })
})

describe('a frontend that dies', () => {
  onOneEngine()

  /** All that a device is set up with. */
  const steps: RequestName[] = [
    'GET_FEATURES',
    'SET_PROTOCOL_FEATURES',
    'SET_OWNER',
    'SET_FEATURES',
    'SET_MEM_TABLE',
    'SET_VRING_NUM',
    'SET_VRING_BASE',
    'SET_VRING_ADDR',
    'SET_VRING_KICK',
    'SET_VRING_CALL',
    'SET_VRING_ENABLE',
  ]

  it.each(steps)('leaves nothing after %s, or in the middle of it', async (last) => {
    const before = steps.slice(0, steps.indexOf(last))
    for (const name of before) frontend.send(name, payloadOf(name)[0], belonging(name))
    const half = messageBytes(last, payloadOf(last)[0]).subarray(0, 10)
    frontend.sendBytes(half, [...belonging(last), eventfd])
    frontend.close()
    const ends = ['closed by the frontend', 'recvmsg: ECONNRESET', 'sendmsg: EPIPE']
    await vi.waitFor(() => expect(ends).toContain(server.said(connections)[0]))
    await vi.waitFor(() => expect(server.descriptors()).toBe(descriptors))
    connect()
    frontend.settle()
  })

  it('leaves nothing while its device runs', async () => {
    for (let i = 0; i < 5; i++) {
      new VirtualDevice(server.devicePath).start().close()
      connections++
    }
    await vi.waitFor(() => expect(server.said(connections)).toEqual(['closed by the frontend']))
  })
})
