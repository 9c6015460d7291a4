// Imported first: it must be loaded before any module of src/.
import { type Fault, libc } from './faulty-libc.mjs'
import { readdirSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../src/9p/client.ts'
import { errno } from '../../src/sys/errno.ts'
import { payloadBytes } from '../../src/9p/index.ts'
import { startEngine } from '../../src/server/start.ts'
import { type ListeningSocket, listenAll } from '../../src/server/listening-socket.ts'
import type { SandboxMode } from '../../src/server/sandbox.ts'
import { type ServingEvents, ServingProcess } from '../../src/server/serving-process.ts'
import type { EngineMessage, Listen, Share } from '../../src/server/share.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { attached, connected, sharePolicy, shareSettings } from '../support/directory-server.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'
import { linux } from '../support/vhost-user/layouts.ts'
import { VirtualDevice } from '../support/vhost-user/virtual-device.ts'
import { clientOn } from '../support/vhost-user/virtqueue-stream.ts'

/** The calls of the engine's process that fail. */
interface Plan {
  readonly call: string
  readonly fault: Fault
  /** The number of calls before the first that fails. */
  readonly skip?: number
  readonly times?: number
}

let folder: string
let listen: Listen

beforeEach(() => {
  folder = temporaryDirectory()
  writeFileSync(join(folder, 'file'), 'hello')
  listen = { kind: 'unix', path: join(folder, 'socket') }
})

const program = fileURLToPath(new URL('faulty-engine.cjs', import.meta.url))

/** An engine's process, started as openEngine does, with the faults of a plan. */
class FaultyEngine implements AsyncDisposable {
  readonly log: string[] = []
  readonly ended: Promise<void>
  /** The first message other than a log line. */
  readonly started: Promise<EngineMessage>
  readonly #sockets: readonly ListeningSocket[] = listenAll([listen])
  readonly #process: ServingProcess

  constructor(plan: readonly Plan[], sandbox: SandboxMode) {
    const sockets = this.#sockets.map((socket) => ({
      fd: socket.fd,
      listen: socket.listen,
      resume: [],
    }))
    const { exports, limits } = share(sandbox)
    let start: (message: EngineMessage) => void = () => {}
    this.started = new Promise((resolve) => {
      start = resolve
    })
    let end: () => void = () => {}
    this.ended = new Promise((resolve) => {
      end = resolve
    })
    const events: ServingEvents = {
      awaitsLarge: false,
      message: (message) => {
        if (message.kind === 'log') this.log.push(message.line)
        else start(message)
      },
      ended: () => end(),
      leftBehind: () => this.log.push('left behind'),
    }
    // Infinity is null in JSON.
    const args = ['--v8-pool-size=1', program, JSON.stringify(plan)]
    this.#process = new ServingProcess(
      { served: { exports, limits, sandbox }, sockets },
      events,
      args,
    )
  }

  /** How many descriptors it has open. */
  descriptors(): number {
    return openDescriptors(this.#process.pid)
  }

  /** The address at which the engine listens. */
  get listen(): Listen {
    const [socket] = this.#sockets
    if (socket === undefined) throw new Error('no socket')
    return socket.listen
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.end()
    await this.ended
    for (const socket of this.#sockets) socket.close()
    const last = this.log.pop()
    if (last !== 'left open: ') throw new Error(`the engine ended with: ${last}`)
  }
}

function share(sandbox: SandboxMode): Share {
  const exported = { name: null, directory: folder, ...sharePolicy }
  return { ...shareSettings, exports: [exported], listen: [listen], sandbox }
}

/** An engine that serves although calls fail. */
async function serving(...plan: readonly Plan[]): Promise<FaultyEngine> {
  const engine = new FaultyEngine(plan, 'auto')
  const message = await engine.started
  if (message.kind !== 'serving') throw new Error(JSON.stringify(message))
  listen = engine.listen
  return engine
}

async function readFile(client: Client): Promise<string> {
  await client.call.walk({ fid: 0, newfid: 1, names: ['file'] })
  await client.call.lopen({ fid: 1, flags: 0 })
  const { data } = await client.call.read({ fid: 1, offset: 0, count: 100 })
  await client.call.clunk({ fid: 1 })
  return payloadBytes(data).toString()
}

/** Whether the engine serves a new client. */
async function serves(): Promise<boolean> {
  const client = await attached(await connected(listen))
  const text = await readFile(client)
  client.close()
  return text === 'hello'
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
    socket.on('error', () => {})
    socket.resume()
  })
}

describe('an engine whose call of libc fails serves on', () => {
  it.each([
    ['EMFILE', 'accept4: EMFILE'],
    ['ENFILE', 'accept4: ENFILE'],
    ['ENOMEM', 'accept4: ENOMEM'],
    ['EINTR', 'connected'],
  ] as const)('accept with %s', async (name, words) => {
    await using engine = await serving({ call: 'accept4', fault: { errno: errno[name] } })
    const socket = await connected(listen)
    // With no descriptors left, the connection is refused. After a single failure, the next round accepts
    // it.
    if (name === 'EMFILE' || name === 'ENFILE') await closed(socket)
    expect(await serves()).toBe(true)
    expect(await serves()).toBe(true)
    expect(engine.log.join()).toContain(words)
    socket.destroy()
  })

  it('accept with EMFILE again and again, and no descriptor in reserve', async () => {
    await using engine = await serving(
      { call: 'accept4', fault: { errno: errno.EMFILE }, times: 5 },
      { call: 'eventfd', fault: { errno: errno.EMFILE }, skip: 1, times: 3 },
    )
    expect(await serves()).toBe(true)
    expect(engine.log.join()).toContain('EMFILE')
  })

  it.each([
    ['recv', 'ECONNRESET'],
    ['recv', 'ENOMEM'],
    ['send', 'EPIPE'],
    ['send', 'ECONNRESET'],
  ] as const)('%s with %s: the others are served on', async (call, name) => {
    await using engine = await serving({ call, fault: { errno: errno[name] }, skip: 20 })
    const good = await attached(await connected(listen))
    const socket = await connected(listen)
    const over = closed(socket)
    const bad = await attached(socket)
    const asking = (async () => {
      for (;;) {
        await readFile(bad)
        await bad.call.getattr({ fid: 0, mask: 1 })
      }
    })()
    await expect(asking).rejects.toThrow(/closed|EPIPE|ECONNRESET/)
    await over
    expect(await readFile(good)).toBe('hello')
    expect(await serves()).toBe(true)
    expect(engine.log.join('\n')).toContain(`client 2: ${call}: ${name}`)
    good.close()
  })

  it.each([
    ['recv', { errno: errno.EAGAIN }],
    ['recv', { errno: errno.EINTR }],
    ['recv', { most: 1 }],
    ['send', { errno: errno.EAGAIN }],
    ['send', { errno: errno.EINTR }],
    ['send', { most: 3 }],
    ['epoll_wait', { errno: errno.EINTR }],
  ])('%s with %o: no client notices', async (call, fault) => {
    await using engine = await serving({ call, fault, skip: 1, times: 15 })
    const socket = await connected(listen)
    const client = await attached(socket)
    for (let i = 0; i < 10; i++) expect(await readFile(client)).toBe('hello')
    expect(engine.log.filter((line) => !line.startsWith('sandbox'))).toEqual([
      'client 1: connected',
    ])
    client.close()
  })

  // After timers, cold reads, the listener and the starter's channel.
  it('epoll_ctl of a connection: that one is ended', async () => {
    await using engine = await serving({
      call: 'epoll_ctl',
      fault: { errno: errno.ENOSPC },
      skip: 4,
    })
    const before = engine.descriptors()
    await closed(await connected(listen))
    await vi.waitFor(() => expect(engine.descriptors()).toBe(before))
    expect(await serves()).toBe(true)
    expect(engine.log.join()).toContain('client 1: could not be accepted: epoll_ctl: ENOSPC')
  })

  it('setsockopt of a connection: that one is ended', async () => {
    listen = { kind: 'tcp', host: '127.0.0.1', port: 0 }
    await using engine = await serving({ call: 'setsockopt', fault: { errno: errno.EINVAL } })
    const before = engine.descriptors()
    await closed(await connected(listen))
    await vi.waitFor(() => expect(engine.descriptors()).toBe(before), { timeout: 30_000 })
    expect(await serves()).toBe(true)
    expect(engine.log.join()).toContain('setsockopt: EINVAL')
  })
})

describe('a device whose call of libc fails', () => {
  beforeEach(() => {
    listen = { kind: 'vhost-user', path: join(folder, 'device'), tag: 'tag' }
  })

  function path(): string {
    return join(folder, 'device')
  }

  /** Whether the engine serves a new machine. */
  async function servesDevices(): Promise<boolean> {
    using device = new VirtualDevice(path())
    const client = await clientOn(device.start(), linux, 8192)
    const text = await readFile(client)
    client.close()
    return text === 'hello'
  }

  function said(engine: FaultyEngine, line: string): Promise<void> {
    return vi.waitFor(() => expect(engine.log).toContain(line))
  }

  it.each([
    ['recvmsg', 'ECONNRESET', 3],
    ['recvmsg', 'ENOMEM', 12],
    ['sendmsg', 'EPIPE', 0],
    ['sendmsg', 'ENOMEM', 2],
  ] as const)('%s with %s (%i): its connection ends', async (call, name, skip) => {
    await using engine = await serving({ call, fault: { errno: errno[name] }, skip })
    await expect(servesDevices()).rejects.toThrow(/EPIPE|ECONNRESET|answered "with the end"/)
    expect(await servesDevices()).toBe(true)
    await said(engine, `client 1: ${call}: ${name}`)
  })

  it.each([
    ['recvmsg', { errno: errno.EAGAIN }],
    ['recvmsg', { errno: errno.EINTR }],
    ['epoll_wait', { errno: errno.EINTR }],
    // A read of an eventfd, the driver's notification. The ring itself has the same information.
    ['read', { errno: errno.EAGAIN }],
  ])('%s with %o: no client notices', async (call, fault) => {
    await using engine = await serving({ call, fault, skip: 1, times: 15 })
    expect(await servesDevices()).toBe(true)
    await vi.waitFor(() => expect(engine.log.at(-1)).toBe('client 1: closed by the frontend'))
    expect(engine.log.slice(1)).toEqual(['client 1: connected', 'client 1: closed by the frontend'])
  })

  // After the two calls for the ring of cold reads.
  it.each([2, 3, 5])('mmap (%i): the frontend is told, and goes on', async (skip) => {
    const fault = { errno: errno.ENOMEM }
    await using engine = await serving({ call: 'mmap', fault, skip })
    {
      using device = new VirtualDevice(path())
      expect(() => device.sendMemory()).toThrow('the backend did not take the memory: 1')
      device.start()
      const client = await clientOn(device, linux, 8192)
      expect(await readFile(client)).toBe('hello')
      client.close()
    }
    await said(engine, 'client 1: SET_MEM_TABLE failed: mmap: ENOMEM')
  })

  // After the two calls of an engine that starts.
  it.each([2, 5])('statx of its memory (%i): the frontend is told', async (skip) => {
    const fault = { errno: errno.EIO }
    await using engine = await serving({ call: 'statx', fault, skip })
    using device = new VirtualDevice(path())
    expect(() => device.sendMemory()).toThrow('the backend did not take the memory: 1')
    device.sendMemory()
    await said(engine, 'client 1: SET_MEM_TABLE failed: statx: EIO')
  })

  it('write, of a notification: the device stops, and works after a reset', async () => {
    const fault = { errno: errno.EIO }
    await using engine = await serving({ call: 'write', fault, skip: 5 })
    {
      using device = new VirtualDevice(path()).start()
      const gone = await clientOn(device, linux, 8192)
      const asking = (async () => {
        for (;;) await readFile(gone)
      })()
      asking.catch(() => {})
      await said(engine, 'client 1: the device has stopped: write: EIO')
      gone.close()
      device.reset()
      const client = await clientOn(device, linux, 8192)
      expect(await readFile(client)).toBe('hello')
      client.close()
    }
    expect(await servesDevices()).toBe(true)
  })

  it.each([
    // The fourth syscall(2): the ring has made three. The fourth is the preadv2 that asks for cached bytes.
    ['syscall', 3, 8000],
    ['preadv', 0, 8000],
    ['pread', 0, 100],
  ])('%s: the request fails, and nothing else', async (call, skip, count) => {
    const fails = { call, skip, fault: { errno: errno.EIO }, times: Infinity }
    // Only without the ring the thread reads by itself.
    const ring = { call: 'mmap', fault: { errno: errno.ENOMEM } }
    await using engine = new FaultyEngine(call === 'syscall' ? [fails] : [fails, ring], 'off')
    expect(await engine.started).toEqual({ kind: 'serving' })
    listen = engine.listen
    using device = new VirtualDevice(path()).start()
    const client = await clientOn(device, linux, 8192)
    await client.call.walk({ fid: 0, newfid: 1, names: ['file'] })
    await client.call.lopen({ fid: 1, flags: 0 })
    await expect(client.call.read({ fid: 1, offset: 0, count })).rejects.toMatchObject({
      errno: errno.EIO,
    })
    expect(await client.call.getattr({ fid: 1, mask: 0 })).toBeDefined()
    client.close()
    expect(engine.log.filter((line) => line.startsWith('client'))).toEqual(['client 1: connected'])
  })
})

describe('an engine that cannot start says why and leaves nothing', () => {
  // The last number is that of the export that it says it of.
  it.each([
    ['getrlimit', 0, null],
    ['openat', 0, 0],
    // The second one is /proc/self/fd.
    ['openat', 1, 0],
    ['fstatfs', 0, 0],
    ['statx', 0, 0],
    ['statx', 1, 0],
    ['timerfd_create', 0, null],
    ['epoll_create1', 0, null],
    // Timers, cold reads, the listener, the starter's channel.
    ['epoll_ctl', 0, null],
    ['epoll_ctl', 1, null],
    ['epoll_ctl', 2, null],
    ['epoll_ctl', 3, null],
    ['eventfd', 0, null],
  ])('where its process has no %s (%i)', async (call, skip, index) => {
    {
      const fault = { errno: errno.EPERM }
      await using engine = new FaultyEngine([{ call, skip, fault }], 'off')
      const why = { kind: 'failed', errno: errno.EPERM, what: call, index }
      expect(await engine.started).toEqual(why)
      await engine.ended
    }
    expect(readdirSync(folder)).toEqual(['file'])
  })

  it.each(
    ['socket', 'bind', 'fchmod', 'listen']
      .map((call) => ['unix', call])
      .concat(['setsockopt', 'bind', 'listen', 'getsockname'].map((call) => ['tcp', call])),
  )('on %s where its starter has no %s', async (kind, call) => {
    const before = openDescriptors()
    if (kind === 'tcp') listen = { kind: 'tcp', host: '127.0.0.1', port: 0 }
    afterwards(() => (libc.inject = undefined))
    libc.inject = (name) => (name === call ? { errno: errno.ENOMEM } : undefined)
    await expect(startEngine(share('off'))).rejects.toThrow(`${call}: ENOMEM`)
    expect(openDescriptors()).toBe(before)
    expect(readdirSync(folder)).toEqual(['file'])
  })
})

describe('what an engine may do without', () => {
  it('is that the kernel ends it with its starter', async () => {
    await using engine = await serving({ call: 'prctl', fault: { errno: errno.EPERM } })
    expect(await serves()).toBe(true)
    expect(engine.log[0]).toContain('the kernel does not end it with its starter: prctl: EPERM')
  })

  // The first three are the ring for cold reads.
  it.each(['syscall', 'mmap'])(
    'are reads that do not block other clients (no %s)',
    async (call) => {
      const plan = { call, fault: { errno: errno.ENOSYS }, times: Infinity }
      await using engine = new FaultyEngine([plan], 'off')
      expect(await engine.started).toEqual({ kind: 'serving' })
      expect(await serves()).toBe(true)
      expect(engine.log[0]).toMatch(/^reads that wait for a disk hold up others: /)
    },
  )

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])(
    'is its sandbox, unless that is required (call %i)',
    async (skip) => {
      const plan = [
        { call: 'prctl', fault: { errno: errno.EPERM }, times: Infinity },
        { call: 'syscall', skip, fault: { errno: errno.EPERM }, times: Infinity },
      ]
      {
        await using engine = await serving(...plan)
        expect(await serves()).toBe(true)
        const line = engine.log.find((each) => each.startsWith('sandbox'))
        expect(line).toMatch(/^sandbox: .*; without no_new_privs \(prctl: EPERM/)
      }
      {
        await using strict = new FaultyEngine(plan, 'require')
        const message = await strict.started
        expect(message).toMatchObject({ kind: 'failed', errno: null })
        expect(JSON.stringify(message)).toContain('no_new_privs')
        await strict.ended
      }
    },
  )
})
