import { existsSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Client } from '../../src/9p/client.ts'
import { limits, payloadBytes } from '../../src/9p/index.ts'
import { errno } from '../../src/sys/errno.ts'
import type { Engine } from '../../src/server/engine.ts'
import type { SavedConnection, Share } from '../../src/server/share.ts'
import { startEngine } from '../../src/server/start.ts'
import { SILENCE_MAX, displaced } from '../../src/server/router.ts'
import { defaultLimits } from '../../src/session/session-limits.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { connected, sharePolicy, shareSettings } from '../support/directory-server.ts'
import { rawFrame, requestFrame } from '../support/frames.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

const PATIENCE = { timeout: 60_000 }

let folder: string
let path: string
let log: string[]

const engines: Engine[] = []

afterEach(async () => {
  // Some of them have failed, as they should.
  await Promise.allSettled(engines.splice(0).map((engine) => engine.close()))
})

beforeEach(() => {
  folder = temporaryDirectory()
  path = join(folder, 'socket')
  log = []
  for (const name of ['a', 'b']) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'file'), `content of ${name}`)
  }
})

function exportsOf(...names: readonly string[]): Share['exports'] {
  return names.map((name) => Object.assign({ name, directory: join(folder, name) }, sharePolicy))
}

/** The exports a and b, each in a process of its own. */
async function serving(changes: Partial<Share> = {}): Promise<Engine> {
  const engine = await startEngine(
    {
      ...shareSettings,
      exports: exportsOf('a', 'b'),
      listen: [{ kind: 'unix', path }],
      separate: true,
      ...changes,
    },
    (line) => log.push(line),
  )
  engines.push(engine)
  return engine
}

/** A client that has said no more than its version. */
async function versioned(msize?: number): Promise<Client> {
  const client = await Client.connect(await connected({ kind: 'unix', path }), msize)
  afterwards(() => client.close())
  return client
}

async function attach(client: Client, aname: string, fid = 0): Promise<void> {
  await client.call.attach({ fid, afid: limits.NOFID, uname: '', aname, uid: 0 })
}

async function attachedTo(aname: string): Promise<Client> {
  const client = await versioned()
  await attach(client, aname)
  return client
}

async function content(client: Client): Promise<string> {
  await client.call.walk({ fid: 0, newfid: 1, names: ['file'] })
  await client.call.lopen({ fid: 1, flags: 0 })
  const { data } = await client.call.read({ fid: 1, offset: 0, count: 100 })
  await client.call.clunk({ fid: 1 })
  return payloadBytes(data).toString()
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
    socket.on('error', () => {})
    socket.resume()
  })
}

function pidOf(engine: Engine, name: string): number {
  const found = engine.processes.find(({ exports }) => exports[0]?.name === name)
  return found?.pid ?? -1
}

/** How frames are sent. In `pieces` a byte is one. */
type Sending = 'together' | 'in pieces'

/**
 * All replies to Tversion and to what is sent when that is answered, until the server ends the connection, or until there are
 * so many bytes of them.
 */
async function repliesTo(frames: readonly Buffer[], bytes: number, how: Sending): Promise<string> {
  const socket = await connected({ kind: 'unix', path })
  let received = Buffer.alloc(0)
  const arrived = (enough: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): unknown => received.length >= enough && resolve()
      socket.on('data', look)
      socket.once('close', () => resolve())
    })
  socket.on('data', (chunk: Buffer) => (received = Buffer.concat([received, chunk])))
  socket.on('error', () => {})
  socket.write(version)
  await arrived(VERSION_BYTES)
  const all = Buffer.concat(frames)
  if (how === 'together') socket.write(all)
  for (const byte of how === 'together' ? [] : all) {
    socket.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await arrived(bytes)
  socket.destroy()
  return received.toString('hex')
}

const VERSION_BYTES = 21
const version = requestFrame(limits.NOTAG, 'version', { msize: 8192, version: limits.VERSION })
const attachFrame = (): Buffer => requestFrame(1, 'attach', attachA)
const attachA = { fid: 0, afid: limits.NOFID, uname: '', aname: 'a', uid: 0 }

describe('an engine with a process for each export', () => {
  it('serves each export to the clients that attach to it', async () => {
    const engine = await serving()
    const [a, b] = await Promise.all([attachedTo('a'), attachedTo('b')])
    expect(await content(a)).toBe('content of a')
    expect(await content(b)).toBe('content of b')
    expect(new Set([engine.pid, ...engine.processes.map(({ pid }) => pid)]).size).toBe(3)
  })

  it('logs the numbers of its clients, in all processes', async () => {
    await serving()
    const a = await attachedTo('a')
    const b = await attachedTo('b')
    a.close()
    await vi.waitFor(() => expect(log).toContain('a: client 1: closed by the client'), PATIENCE)
    b.close()
    await vi.waitFor(() => expect(log).toContain('b: client 2: closed by the client'), PATIENCE)
    expect(log.filter((line) => line.startsWith('client'))).toEqual([
      'client 1: connected',
      'client 1: attaches to a',
      'client 2: connected',
      'client 2: attaches to b',
    ])
  })

  it('refuses to attach to another export over the same connection, also after Tversion', async () => {
    await serving()
    const client = await attachedTo('a')
    await expect(attach(client, 'b', 5)).rejects.toMatchObject({ errno: errno.EXDEV })
    await expect(attach(client, 'c', 5)).rejects.toMatchObject({ errno: errno.ENOENT })
    await expect(attach(client, '', 5)).rejects.toMatchObject({ errno: errno.ENOENT })
    await attach(client, 'a', 5)
    expect(await content(client)).toBe('content of a')
    await client.call.version({ msize: 8192, version: limits.VERSION })
    await expect(attach(client, 'b')).rejects.toMatchObject({ errno: errno.EXDEV })
    await attach(client, 'a')
  })

  it.each(['together', 'in pieces'] as const)(
    'answers what comes before the attach as one process does, and what comes behind it: %s',
    async (how) => {
      const frames = [
        requestFrame(1, 'auth', { afid: 1, uname: '', aname: 'a', uid: 0 }),
        requestFrame(2, 'clunk', { fid: 0 }),
        rawFrame(99, 3),
        requestFrame(4, 'attach', { ...attachA, aname: 'none' }),
        requestFrame(5, 'attach', { ...attachA, afid: 7 }),
        requestFrame(6, 'flush', { oldtag: 1 }),
        version,
        requestFrame(7, 'attach', attachA),
        requestFrame(8, 'walk', { fid: 0, newfid: 1, names: ['file'] }),
        requestFrame(9, 'lopen', { fid: 1, flags: 0 }),
        requestFrame(10, 'read', { fid: 1, offset: 0, count: 100 }),
      ]
      const errors = 5 * 11
      const bytes = VERSION_BYTES + errors + 7 + VERSION_BYTES + 20 + 22 + 24 + 11 + 12
      const one = await serving({ separate: false })
      const expected = await repliesTo(frames, bytes, how)
      await one.close()
      await serving()
      expect(await repliesTo(frames, bytes, how)).toBe(expected)
      expect(expected).toContain(Buffer.from('content of a').toString('hex'))
    },
  )

  it.each([
    ['an attach that is cut off', () => rawFrame(104, 1, Buffer.alloc(5)), 'TRUNCATED'],
    [
      'an attach with bytes behind it',
      () => rawFrame(104, 1, Buffer.concat([attachFrame().subarray(7), Buffer.alloc(3)])),
      'TRAILING_BYTES',
    ],
    ['a frame that is too large', () => Buffer.from([0, 0, 1, 0]), 'FRAME_TOO_LARGE'],
    ['a frame that is too small', () => Buffer.from([1, 0, 0, 0]), 'FRAME_TOO_SMALL'],
  ])('ends the connection of a client that sends %s', async (_what, frame, code) => {
    await serving()
    expect(await repliesTo([frame()], Infinity, 'together')).toBe(
      '1500000065ffff0020000008003950323030302e4c',
    )
    await vi.waitFor(() => expect(log.join()).toContain(`client 1: protocol error ${code}`))
    expect(await content(await attachedTo('a'))).toBe('content of a')
  })

  it('ends the connection of a client that attaches before Tversion', async () => {
    await serving()
    const socket = await connected({ kind: 'unix', path })
    const over = closed(socket)
    socket.write(attachFrame())
    await over
    await vi.waitFor(() => expect(log.join()).toContain('client 1: protocol error NO_VERSION'))
  })

  it('gives each process its own directory, and the one that accepts clients none', async () => {
    const engine = await serving()
    const below = (pid = -1): string[] =>
      readdirSync(`/proc/${pid}/fd`)
        .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
        .filter((file) => file.startsWith(folder))
    expect(below(engine.pid)).toEqual([])
    expect(below(pidOf(engine, 'a'))).toEqual([join(folder, 'a')])
    expect(below(pidOf(engine, 'b'))).toEqual([join(folder, 'b')])
  })

  it('confines each process', async () => {
    await serving()
    const confined = log.filter((line) => /^((a|b): )?sandbox: no_new_privs/.test(line))
    expect(confined).toHaveLength(3)
  })

  it('has no more descriptors after many clients than before', async () => {
    const engine = await serving()
    const pids = [engine.pid, pidOf(engine, 'a'), pidOf(engine, 'b')]
    const count = (): number[] => pids.map((pid = -1) => openDescriptors(pid))
    ;(await attachedTo('a')).close()
    await vi.waitFor(() => expect(log).toContain('a: client 1: closed by the client'), PATIENCE)
    const before = count()
    const own = openDescriptors()
    for (let i = 0; i < 20; i++) {
      const clients = await Promise.all([attachedTo('a'), attachedTo('b'), versioned()])
      for (const client of clients) client.close()
    }
    await vi.waitFor(() => expect(count()).toEqual(before), PATIENCE)
    expect(openDescriptors()).toBeLessThan(own + 10)
  })

  it('has all exports in one process where a device may attach to any', async () => {
    const device = { kind: 'vhost-user', path: join(folder, 'device'), tag: 'tag' } as const
    const engine = await serving({ listen: [{ kind: 'unix', path }, device] })
    expect(engine.processes).toHaveLength(1)
    const client = await attachedTo('a')
    await attach(client, 'b', 5)
  })

  it('starts none of its processes where an export cannot be served', async () => {
    const exports = exportsOf('a', 'none')
    const before = openDescriptors()
    await expect(serving({ exports })).rejects.toMatchObject({
      errno: errno.ENOENT,
      exported: { name: 'none' },
    })
    await vi.waitFor(() => expect(existsSync(path)).toBe(false), PATIENCE)
    await vi.waitFor(() => expect(openDescriptors()).toBeLessThanOrEqual(before), PATIENCE)
  })
})

describe('the process of an export that ends', () => {
  it('takes its own clients with it, and no others', async () => {
    const engine = await serving()
    const socket = await connected({ kind: 'unix', path })
    const a = await Client.connect(socket)
    await attach(a, 'a')
    const b = await attachedTo('b')
    const over = closed(socket)
    process.kill(pidOf(engine, 'a'), 'SIGKILL')
    await over
    await expect(engine.processes[0]?.ended).rejects.toThrow('has ended by itself, by SIGKILL')
    await vi.waitFor(async () => {
      await expect(attach(await versioned(), 'a')).rejects.toMatchObject({ errno: errno.EIO })
    }, PATIENCE)
    expect(await content(b)).toBe('content of b')
    expect(await content(await attachedTo('b'))).toBe('content of b')
    const refused = await versioned()
    await expect(attach(refused, 'a')).rejects.toMatchObject({ errno: errno.EIO })
    await attach(refused, 'b')
    expect(await content(refused)).toBe('content of b')
    await engine.close()
    expect(existsSync(path)).toBe(false)
  })

  it('ends the engine if it is the last', async () => {
    const engine = await serving()
    for (const { pid } of engine.processes) process.kill(pid ?? -1, 'SIGKILL')
    await expect(engine.ended).rejects.toThrow('has ended by itself, by SIGKILL')
    expect(existsSync(path)).toBe(false)
  })

  it('ends all if it is the one that accepts clients', async () => {
    const engine = await serving()
    process.kill(engine.pid ?? -1, 'SIGKILL')
    await expect(engine.ended).rejects.toThrow('has ended by itself, by SIGKILL')
    await Promise.all(engine.processes.map(({ ended }) => ended))
    expect(existsSync(path)).toBe(false)
  })
})

describe('the process of an export that does not answer', () => {
  it('gets the clients that wait for it when it goes on, and holds up no others', async () => {
    // More than a socket between the processes takes.
    const many = 400
    const engine = await serving({ limits: { ...defaultLimits, connections: many + 1 } })
    const b = await attachedTo('b')
    const pid = pidOf(engine, 'a')
    process.kill(pid, 'SIGSTOP')
    const waiting: Promise<Client>[] = []
    for (let i = 0; i < many; i++) {
      const client = await versioned()
      waiting.push(attach(client, 'a').then(() => client))
    }
    expect(await content(b)).toBe('content of b')
    expect(await content(await attachedTo('b'))).toBe('content of b')
    process.kill(pid, 'SIGCONT')
    const clients = await Promise.all(waiting)
    expect(new Set(await Promise.all(clients.map(content)))).toEqual(new Set(['content of a']))
  })

  it('keeps no more clients waiting than the limit, beside those that are on their way', async () => {
    const together = 20
    const engine = await serving({ limits: { ...defaultLimits, connections: together } })
    process.kill(pidOf(engine, 'a'), 'SIGSTOP')
    const lost: Socket[] = []
    while (lost.length === 0) {
      const sockets = await Promise.all(
        Array.from({ length: together }, () => connected({ kind: 'unix', path })),
      )
      for (const socket of sockets) {
        afterwards(() => socket.destroy())
        // A client that is let in gets a reply to Tversion at least.
        const client = await Client.connect(socket)
        socket.once('close', () => lost.push(socket))
        attach(client, 'a').catch(() => {})
      }
      // The process that accepts clients has seen these since.
      ;(await attachedTo('b')).close()
    }
    expect(await content(await attachedTo('b'))).toBe('content of b')
    process.kill(pidOf(engine, 'a'), 'SIGCONT')
  })
})

describe('the limit of connections', () => {
  it('is one for each export, and for the clients that have not attached', async () => {
    await serving({ limits: { ...defaultLimits, connections: 2 } })
    const a = [await attachedTo('a'), await attachedTo('a')]
    const third = await connected({ kind: 'unix', path })
    const over = closed(third)
    third.write(Buffer.concat([version, requestFrame(1, 'attach', attachA)]))
    await over
    await vi.waitFor(
      () => expect(log).toContain('a: 2 clients are connected, and more are not let in'),
      PATIENCE,
    )
    const b = await attachedTo('b')
    expect(await content(b)).toBe('content of b')

    const silent = [await versioned(), await versioned()]
    await closed(await connected({ kind: 'unix', path }))
    for (const client of silent) {
      await expect(attach(client, 'none')).rejects.toMatchObject({ errno: errno.ENOENT })
      await client.call.flush({ oldtag: 9 })
    }
    for (const client of a) expect(await content(client)).toBe('content of a')
  })

  it('lets a new client in where the first of the silent ones has been so for too long', () => {
    const clients = [{ since: 1000 }, { since: 1001 }]
    expect(displaced(clients, 1000 + SILENCE_MAX - 1)).toBe(undefined)
    expect(displaced(clients, 1000 + SILENCE_MAX)).toBe(clients[0])
    expect(displaced([], SILENCE_MAX)).toBe(undefined)
  })
})

describe('sessions of an engine with a process for each export', () => {
  it('are saved in all processes, and resumed in those of their exports', async () => {
    const engine = await serving()
    const [a, b, neither] = [await attachedTo('a'), await attachedTo('b'), await versioned()]
    for (const client of [a, b]) await client.call.walk({ fid: 0, newfid: 3, names: ['file'] })
    await engine.hold()
    const saved = (await engine.save()).toSorted((one, other) => nameOf(one) - nameOf(other))
    engine.goOn()
    expect(saved.map(({ place, stream }) => [place, stream.session.attached[0]?.aname])).toEqual([
      [0, undefined],
      [0, 'a'],
      [0, 'b'],
    ])
    neither.close()
    await engine.close()

    const other = await serving({ resume: saved })
    const sockets: Socket[] = []
    for (const _ of saved) sockets.push(await connected({ kind: 'unix', path }))
    expect(await other.resumed).toBe(0)
    other.goOn()
    const [unattached, clientA, clientB] = sockets
    const open = (socket: Socket | undefined): Promise<string> =>
      answered(socket, [
        requestFrame(1, 'lopen', { fid: 3, flags: 0 }),
        requestFrame(2, 'read', { fid: 3, offset: 0, count: 100 }),
      ])
    expect(await open(clientA)).toContain('content of a')
    expect(await open(clientB)).toContain('content of b')
    const late = [
      requestFrame(1, 'attach', { ...attachA, fid: 2 }),
      requestFrame(2, 'walk', { fid: 2, newfid: 3, names: ['file'] }),
      requestFrame(3, 'lopen', { fid: 3, flags: 0 }),
      requestFrame(4, 'read', { fid: 3, offset: 0, count: 100 }),
    ]
    expect(await answered(unattached, late)).toContain('content of a')
  })

  it('are not resumed where they belong to two exports', async () => {
    const one = await serving({ separate: false })
    const client = await attachedTo('a')
    await attach(client, 'b', 5)
    await one.hold()
    const resume = await one.save()
    one.goOn()
    await one.close()
    await expect(serving({ resume })).rejects.toThrow('it belongs to several exports')
    expect(existsSync(path)).toBe(false)
  })
})

function nameOf({ stream }: SavedConnection): number {
  return ['a', 'b'].indexOf(stream.session.attached[0]?.aname ?? '')
}

/** Sends frames, and resolves with what comes back until there is a file's content in it. */
async function answered(socket: Socket | undefined, frames: readonly Buffer[]): Promise<string> {
  if (socket === undefined) throw new Error('no socket')
  let received = ''
  const all = new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
      if (/content of ./.test(received)) resolve()
    })
  })
  socket.write(Buffer.concat(frames))
  await all
  socket.destroy()
  return received
}
