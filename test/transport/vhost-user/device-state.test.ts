import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMemfd } from '../../../src/sys/memfd.ts'
import { feature } from '../../../src/transport/vhost-user/requests.ts'
import { FakeTree } from '../../support/fake-tree.ts'
import { FsMachine } from '../../support/vhost-user/fs-machine.ts'
import { fsKind } from '../../support/vhost-user/device-kinds.ts'
import { type DeviceServer, serveDevices } from '../../support/vhost-user/device-server.ts'
import { Frontend, u32s, u64 } from '../../support/vhost-user/frontend.ts'
import { temporaryDirectory } from '../../support/temporary.ts'

const [SAVE, LOAD] = [0, 1]
/** The answer to SET_DEVICE_STATE_FD: no error, and no descriptor of the backend's own. */
const TAKEN = u64(0x100)

let folder: string
let server: DeviceServer
let frontend: Frontend
let pipes = 0

beforeEach(async () => {
  folder = temporaryDirectory()
  mkdirSync(join(folder, 'tree'))
  server = await serveDevices(join(folder, 'tree'), {}, folder, fsKind)
  frontend = new Frontend(server.devicePath)
})

afterEach(async () => {
  frontend.close()
  await server.engine.close()
})

/** A pipe: what is written to the second descriptor is read from the first. */
function pipe(): [number, number] {
  const path = join(folder, `pipe${pipes++}`)
  execFileSync('mkfifo', [path])
  const both = openSync(path, 'r+')
  const ends: [number, number] = [
    openSync(path, constants.O_RDONLY | constants.O_NONBLOCK),
    openSync(path, 'w'),
  ]
  closeSync(both)
  return ends
}

/** SET_DEVICE_STATE_FD with one end of a pipe. @returns the other end. */
function transfer(direction: number): number {
  const [reading, writing] = pipe()
  const [theirs, ours] = direction === SAVE ? [writing, reading] : [reading, writing]
  expect(frontend.ask('SET_DEVICE_STATE_FD', u32s(direction, 0), [theirs])).toEqual(TAKEN)
  closeSync(theirs)
  return ours
}

async function saved(): Promise<string> {
  const fd = transfer(SAVE)
  let text = ''
  await vi.waitFor(() => {
    text += readFileSync(fd, 'utf8')
    expect(() => JSON.parse(text) as unknown).not.toThrow()
  })
  closeSync(fd)
  expect(frontend.ask('CHECK_DEVICE_STATE')).toEqual(u64(0))
  return text
}

function load(text: string): Buffer {
  const fd = transfer(LOAD)
  writeSync(fd, text)
  closeSync(fd)
  return frontend.ask('CHECK_DEVICE_STATE')
}

describe('the state of a file system device', () => {
  it('is offered, with the log that QEMU wants beside it', () => {
    const features = frontend.ask('GET_FEATURES').readBigUInt64LE()
    expect(features & (1n << 26n)).toBe(1n << 26n)
    const protocol = frontend.ask('GET_PROTOCOL_FEATURES').readBigUInt64LE()
    expect(protocol).toBe((1n << 0n) | (1n << 1n) | (1n << 3n) | (1n << 19n))
  })

  it('is handed out, and taken by another device', async () => {
    const text = await saved()
    expect(JSON.parse(text)).toMatchObject({ device: null })
    frontend.close()
    frontend = new Frontend(server.devicePath)
    expect(load(text)).toEqual(u64(0))
  })

  it.each([
    ['no JSON', '{'],
    ['nothing', ''],
    ['a session of another format', '{"device":{"format":0},"queues":[]}'],
  ])('is refused if it is %s, and the device goes on', async (_what, text) => {
    expect(load(text)).toEqual(u64(1))
    expect(JSON.parse(await saved())).toMatchObject({ device: null })
  })

  it('is refused where a part of it is missing', () => {
    const fd = transfer(LOAD)
    writeSync(fd, '{"device":null,')
    // The frontend still has its end.
    expect(frontend.ask('CHECK_DEVICE_STATE')).toEqual(u64(1))
    closeSync(fd)
  })

  it('was not transferred if nobody has begun to', () => {
    expect(frontend.ask('CHECK_DEVICE_STATE')).toEqual(u64(1))
  })

  it.each([
    [2, 0],
    [0, 1],
  ])('has no other directions and phases: %i, %i', (direction, phase) => {
    const [reading, writing] = pipe()
    frontend.send('SET_DEVICE_STATE_FD', u32s(direction, phase), [writing])
    expect(frontend.isOver()).toBe(true)
    for (const fd of [reading, writing]) closeSync(fd)
  })
})

describe('the log of written pages', () => {
  it('is mapped, and given back', () => {
    const log = createMemfd(4096)
    const base = Buffer.concat([u64(4096), u64(0)])
    for (let i = 0; i < 2; i++) expect(frontend.ask('SET_LOG_BASE', base, [log])).toEqual(u64(0))
    closeSync(log)
  })

  it('has all pages marked once something is written, and only if the front end asks for it', () => {
    using fs = new FsMachine(new FakeTree())
    fs.begin()
    const log = createMemfd(64)
    const marks = (): Buffer => readFileSync(`/proc/self/fd/${log}`)
    const { frontend: vmm } = fs.machine
    vmm.ask('SET_LOG_BASE', Buffer.concat([u64(64), u64(0)]), [log])
    fs.call('getattr', {}, { nodeid: 1 })
    expect(marks()).toEqual(Buffer.alloc(64))
    const { LOG_ALL, VERSION_1, PROTOCOL_FEATURES, EVENT_IDX, INDIRECT_DESC } = feature
    const all = LOG_ALL | VERSION_1 | PROTOCOL_FEATURES | EVENT_IDX | INDIRECT_DESC
    vmm.send('SET_FEATURES', u64(all))
    fs.call('getattr', {}, { nodeid: 1 })
    expect(marks()).toEqual(Buffer.alloc(64, 0xff))
    closeSync(log)
  })

  it.each([
    [0, 0],
    [2 ** 40, 0],
  ])('of %i bytes is refused', (size, offset) => {
    const log = createMemfd(4096)
    frontend.send('SET_LOG_BASE', Buffer.concat([u64(size), u64(offset)]), [log])
    expect(frontend.isOver()).toBe(true)
    closeSync(log)
  })

  it('is refused in a file that the frontend could truncate', () => {
    const path = join(folder, 'log')
    writeFileSync(path, Buffer.alloc(4096))
    const log = openSync(path, 'r+')
    frontend.send('SET_LOG_BASE', Buffer.concat([u64(4096), u64(0)]), [log])
    expect(frontend.isOver()).toBe(true)
    closeSync(log)
  })
})
