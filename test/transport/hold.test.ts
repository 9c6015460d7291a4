import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Client } from '../../src/9p/client.ts'
import { errno } from '../../src/sys/errno.ts'
import { type Payload, payloadBytes } from '../../src/9p/index.ts'
import type { SavedConnection } from '../../src/server/share.ts'
import { DuplexConnection } from '../../src/transport/stream/duplex.ts'
import type { SavedStream } from '../../src/transport/stream/stream-session.ts'
import { Deferred } from '../../src/tree/deferred.ts'
import { constantFile, directory as folder } from '../../src/tree/synthetic/entry.ts'
import { SyntheticTree } from '../../src/tree/synthetic/synthetic-tree.ts'
import { openDescriptors } from '../support/descriptors.ts'
import {
  attached,
  connected,
  type DirectoryServer,
  serveDirectory,
} from '../support/directory-server.ts'
import { memoryOf } from '../support/frames.ts'
import { MachineLike } from '../support/machine-like.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

/** As it would be written down and read again. */
function written<V>(saved: V): V {
  return JSON.parse(JSON.stringify(saved)) as V
}

async function opened(client: Client, fid: number, name: string, flags = 0): Promise<void> {
  await client.call.walk({ fid: 0, newfid: fid, names: [name] })
  await client.call.lopen({ fid, flags })
}

async function read(client: Client, fid: number, offset: number, count: number): Promise<string> {
  const { data } = await client.call.read({ fid, offset, count })
  return payloadBytes(data).toString()
}

function payload(bytes: Buffer): Payload {
  return { memory: memoryOf(bytes), offset: 0, length: bytes.length }
}

/** A little later, more so in later rounds. */
async function setImmediately(round: number): Promise<void> {
  for (let turn = 0; turn < round; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Another engine starts, is held and goes on: enough for one to do what it is not to do. */
async function meanwhile(): Promise<void> {
  const directory = temporaryDirectory()
  writeFileSync(join(directory, 'file'), 'hello')
  await using other = await serveDirectory(directory)
  const client = await other.client()
  await opened(client, 1, 'file')
  expect(await read(client, 1, 0, 5)).toBe('hello')
  await other.engine.hold()
  other.engine.goOn()
  client.close()
}

/** The server has looked at what its first client has sent: it has seen another one come and go since. */
async function goRound(server: DirectoryServer): Promise<void> {
  const client = await server.client()
  client.close()
  await expect.poll(() => server.log).toContain('client 2: closed by the client')
}

/** As soon as all clients are there. */
async function goesOn({ engine }: DirectoryServer): Promise<void> {
  await engine.resumed
  engine.goOn()
}

describe('an engine that is held', () => {
  let directory: string
  let machine: MachineLike

  beforeEach(() => {
    directory = temporaryDirectory()
    writeFileSync(join(directory, 'file'), 'hello')
    writeFileSync(join(directory, 'large'), Buffer.alloc(1 << 20, 'x'))
    machine = new MachineLike()
    afterwards(() => machine[Symbol.dispose]())
  })

  it('goes on elsewhere, whatever was under way', async () => {
    await using first = await serveDirectory(directory)
    await machine.connectTo(first.socketPath)
    const client = await attached(machine.guest)
    await opened(client, 1, 'file')
    await opened(client, 2, 'large', 2)
    const bytes = Buffer.from(Array.from({ length: 50_000 }, (_, i) => (i * 7) & 0xff))
    let engine = first
    for (let round = 0; round < 20; round++) {
      const asked = Promise.all([
        ...Array.from({ length: 50 }, (_, i) => read(client, 1, i % 5, 100)),
        ...Array.from({ length: 8 }, (_, i) =>
          client.call.write({ fid: 2, offset: i * 50_000, data: payload(bytes) }),
        ),
        ...Array.from({ length: 4 }, (_, i) => read(client, 2, 600_000 + i, 100_000)),
      ])
      await setImmediately(round)
      await engine.engine.hold()
      await machine.stop()
      const resume = written(await engine.engine.save())
      expect(resume).toHaveLength(1)
      await engine.engine.close()
      engine = await serveDirectory(directory, { resume })
      await machine.connectTo(engine.socketPath)
      await goesOn(engine)
      machine.cont()
      const answers = await asked
      expect(answers.slice(0, 50)).toEqual(
        Array.from({ length: 50 }, (_, i) => 'hello'.slice(i % 5)),
      )
      expect(answers.slice(50, 58)).toEqual(Array.from({ length: 8 }, () => ({ count: 50_000 })))
      for (const text of answers.slice(58)) expect(text).toHaveLength(100_000)
      expect(readFileSync(join(directory, 'large')).subarray(50_000, 100_000).equals(bytes)).toBe(
        true,
      )
      const said = 'client 1: connected, and goes on where it was saved'
      await expect.poll(() => engine.log).toContain(said)
    }
    await engine.engine.close()
  })

  it('answers nothing until it goes on, and then everything', async () => {
    await using server = await serveDirectory(directory)
    await machine.connectTo(server.socketPath)
    const client = await attached(machine.guest)
    await opened(client, 1, 'file')
    await server.engine.hold()
    let answered = 0
    const asked = Array.from({ length: 10 }, () => read(client, 1, 0, 5).then(() => answered++))
    await machine.sent()
    await meanwhile()
    expect(answered).toBe(0)
    await machine.stop()
    await server.engine.save()
    server.engine.goOn()
    machine.cont()
    await Promise.all(asked)
    // It can be held again and again.
    await server.engine.hold()
    server.engine.goOn()
    expect(await read(client, 1, 0, 5)).toBe('hello')
  })

  it('reads what a client goes on sending, since QEMU would block otherwise', async () => {
    await using server = await serveDirectory(directory)
    await machine.connectTo(server.socketPath)
    const client = await attached(machine.guest, 1 << 20)
    await opened(client, 2, 'large', 1)
    await server.engine.hold()
    const bytes = Buffer.alloc(500_000, 'y')
    const asked = Promise.all(
      Array.from({ length: 16 }, () =>
        client.call.write({ fid: 2, offset: 0, data: payload(bytes) }),
      ),
    )
    await machine.sent()
    await machine.stop()
    const [saved] = await server.engine.save()
    expect(Buffer.from(saved!.stream.received, 'base64').length).toBeGreaterThan(16 * 500_000)
    await using second = await serveDirectory(directory, { resume: [saved!] })
    await machine.connectTo(second.socketPath)
    await goesOn(second)
    machine.cont()
    expect(await asked).toEqual(Array.from({ length: 16 }, () => ({ count: 500_000 })))
  })

  it('waits until its client has received all that was sent', async () => {
    await using server = await serveDirectory(directory)
    await machine.connectTo(server.socketPath)
    const client = await attached(machine.guest, 1 << 20)
    await opened(client, 2, 'large')
    const asked = Promise.all(Array.from({ length: 4 }, () => read(client, 2, 0, 1 << 20)))
    await read(client, 0, 0, 0).catch(() => {})
    await asked
    machine.deafen()
    const more = read(client, 2, 0, 1 << 20)
    await machine.sent()
    await goRound(server)
    let isHeld = false
    const held = server.engine.hold().then(() => (isHeld = true))
    await meanwhile()
    expect(isHeld).toBe(false)
    machine.hear()
    await held
    await machine.stop()
    const resume = await server.engine.save()
    await using second = await serveDirectory(directory, { resume })
    await machine.connectTo(second.socketPath)
    await goesOn(second)
    machine.cont()
    expect((await asked).map(({ length }) => length)).toEqual(Array(4).fill((1 << 20) - 24))
    expect(await more).toHaveLength((1 << 20) - 24)
  })

  it('gives up on one that takes nothing, and serves on', async () => {
    await using server = await serveDirectory(directory)
    await machine.connectTo(server.socketPath)
    const client = await attached(machine.guest, 1 << 20)
    await opened(client, 2, 'large')
    machine.deafen()
    const asked = read(client, 2, 0, 1 << 20)
    await machine.sent()
    await goRound(server)
    await expect(server.engine.hold()).rejects.toThrow(
      `${directory} cannot be saved: its client has not taken its replies for 10 seconds.`,
    )
    machine.hear()
    expect(await asked).toHaveLength((1 << 20) - 24)
  })

  it('answers nothing where it goes on, until it is told to', async () => {
    await using server = await serveDirectory(directory)
    await machine.connectTo(server.socketPath)
    const client = await attached(machine.guest)
    await opened(client, 1, 'file')
    await server.engine.hold()
    const text = read(client, 1, 0, 5)
    await machine.sent()
    await machine.stop()
    const resume = await server.engine.save()
    for (const early of [true, false]) {
      await using second = await serveDirectory(directory, { resume })
      if (early) second.engine.goOn()
      await machine.connectTo(second.socketPath)
      await second.engine.resumed
      if (!early) await meanwhile()
      await expect.poll(() => machine.received).toBe(early ? 16 : 0)
      if (early) continue
      second.engine.goOn()
      machine.cont()
      expect(await text).toBe('hello')
    }
  })

  it('knows each client by where it is connected', async () => {
    const [a, b] = [join(directory, 'a'), join(directory, 'b')]
    const listen = [
      { kind: 'unix', path: a },
      { kind: 'unix', path: b },
    ] as const
    const first = await serveDirectory(directory, { listen })
    const other = new MachineLike()
    afterwards(() => other[Symbol.dispose]())
    await other.connectTo(b)
    const theirs = await attached(other.guest)
    await opened(theirs, 5, 'file')
    await machine.connectTo(a)
    const client = await attached(machine.guest)
    await opened(client, 1, 'large')
    await first.engine.hold()
    for (const each of [machine, other]) await each.stop()
    const saved = await first.engine.save()
    expect(new Set(saved.map(({ place }) => place))).toEqual(new Set([0, 1]))
    await first.engine.close()
    await using second = await serveDirectory(directory, { listen, resume: saved })
    // A third one, that was not there, begins anew.
    await machine.connectTo(a)
    const stranger = await attached(await connected({ kind: 'unix', path: a }))
    await opened(stranger, 1, 'file')
    await other.connectTo(b)
    await goesOn(second)
    for (const each of [machine, other]) each.cont()
    expect([
      await read(client, 1, 0, 1),
      await read(theirs, 5, 0, 5),
      await read(stranger, 1, 0, 5),
    ]).toEqual(['x', 'hello', 'hello'])
    stranger.close()
    expect(second.log.filter((line) => line.includes('goes on'))).toHaveLength(2)
  })

  it('cannot be saved over TCP: the server does not know what a client has received', async () => {
    await using server = await serveDirectory(directory, {
      listen: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }],
    })
    const client = await attached(await connected(server.engine.listen[0]!))
    await expect(server.engine.hold()).rejects.toThrow(
      /a client on a TCP port has received cannot be known/,
    )
    await opened(client, 1, 'file')
    client.close()
    await using device = await serveDirectory(directory, {
      listen: [{ kind: 'vhost-user', path: join(directory, 'device'), tag: 't' }],
    })
    const frontend = await connected({ kind: 'unix', path: join(directory, 'device') })
    await expect.poll(() => device.log.some((line) => line.includes('connected'))).toBe(true)
    await expect(device.engine.hold()).rejects.toThrow(
      /9P device: use the transport virtiofs or tcp/,
    )
    frontend.destroy()
  })

  it('that has ended cannot be held or saved', async () => {
    const server = await serveDirectory(directory)
    await server.engine.close()
    await expect(server.engine.hold()).rejects.toThrow(/its server has ended/)
    await expect(server.engine.save()).rejects.toThrow(/its server has ended/)
    server.engine.goOn()
  })

  it('does not start with a session that it cannot resume, and leaves nothing behind', async () => {
    await using server = await serveDirectory(directory)
    await machine.connectTo(server.socketPath)
    await attached(machine.guest)
    await server.engine.hold()
    await machine.stop()
    const [saved] = await server.engine.save()
    const before = openDescriptors()
    const { stream } = saved as SavedConnection
    const session = { ...stream.session, format: 0 }
    const resume = [{ place: 0, stream: { ...stream, session } }]
    await expect(serveDirectory(directory, { resume })).rejects.toThrow(
      /another version of lowerdir/,
    )
    expect(openDescriptors()).toBe(before)
  })

  it('finds what has changed, and says so', async () => {
    await using server = await serveDirectory(directory)
    await machine.connectTo(server.socketPath)
    const client = await attached(machine.guest)
    await opened(client, 1, 'file')
    await opened(client, 2, 'large')
    await server.engine.hold()
    await machine.stop()
    const resume = await server.engine.save()
    writeFileSync(join(directory, 'file'), 'other')
    await using second = await serveDirectory(directory, { resume })
    await machine.connectTo(second.socketPath)
    await goesOn(second)
    machine.cont()
    await expect(read(client, 1, 0, 5)).rejects.toMatchObject({ errno: errno.ESTALE })
    expect(await read(client, 2, 0, 1)).toBe('x')
    const lines = second.log.filter((line) => line.includes('changed'))
    expect(lines).toEqual(['client 1: 1 of its files are gone or have changed since it was saved'])
  })
})

describe('a conversation on this thread that is held', () => {
  let waiting: Deferred<Uint8Array>[]
  let path: string

  beforeEach(() => {
    waiting = []
    path = join(temporaryDirectory(), 'socket')
  })

  function tree(): SyntheticTree {
    return new SyntheticTree(
      folder({
        large: constantFile(() => Buffer.alloc(3 << 20, 'z')),
        slow: {
          kind: 'file',
          mode: 0o400,
          open: () => ({
            read() {
              const parked = new Deferred<Uint8Array>()
              waiting.push(parked)
              return parked
            },
          }),
        },
      }),
    )
  }

  /** The next client of a server at `path` that goes on with `saved`. */
  function next(saved?: SavedStream): Promise<DuplexConnection> {
    return new Promise((resolve) => {
      const server = createServer((socket: Socket) => {
        server.close()
        afterwards(() => socket.destroy())
        resolve(new DuplexConnection(tree(), socket, { saved }))
      })
      server.listen(path)
    })
  }

  it('goes on elsewhere, whatever was under way, and here as well', async () => {
    using machine = new MachineLike()
    let coming = next()
    await machine.connectTo(path)
    let server = await coming
    const client = await attached(machine.guest, 1 << 20)
    await opened(client, 1, 'large')
    await opened(client, 2, 'slow')
    for (let round = 0; round < 10; round++) {
      const slow = read(client, 2, 0, 100)
      const asked = Promise.all(Array.from({ length: 6 }, (_, i) => read(client, 1, i, 400_000)))
      await setImmediately(round)
      await server.hold()
      await machine.stop()
      const saved = written(await server.save())
      server.goOn()
      coming = next(saved)
      await machine.connectTo(path)
      server = await coming
      server.goOn()
      machine.cont()
      for (const text of await asked) expect(text).toHaveLength(400_000)
      await expect.poll(() => waiting.length).toBeGreaterThan(0)
      waiting.at(-1)!.resolve(Buffer.from(`answer ${round}`))
      expect(await slow).toBe(`answer ${round}`)
    }
  })

  it('keeps an answer back that becomes ready meanwhile', async () => {
    using machine = new MachineLike()
    const coming = next()
    await machine.connectTo(path)
    const server = await coming
    const client = await attached(machine.guest)
    await opened(client, 2, 'slow')
    const slow = read(client, 2, 0, 100)
    await expect.poll(() => waiting.length).toBe(1)
    await server.hold()
    waiting[0]!.resolve(Buffer.from('ready'))
    await machine.stop()
    const saved = await server.save()
    expect([saved.session.waiting, Buffer.from(saved.unsent, 'base64').toString()]).toEqual([
      [],
      expect.stringContaining('ready') as string,
    ])
    server.goOn()
    machine.cont()
    expect(await slow).toBe('ready')
  })

  it('needs a unix socket for it', async () => {
    const [ours] = duplexPair()
    const server = new DuplexConnection(tree(), ours, {})
    await expect(server.hold()).rejects.toThrow('Only what is served at a unix socket')
    ours.destroy()
    await server.over
  })
})
