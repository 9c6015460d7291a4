import { existsSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../src/9p/client.ts'
import { errno } from '../../src/sys/errno.ts'
import { limits, payloadBytes } from '../../src/9p/index.ts'
import { defaultLimits } from '../../src/session/session-limits.ts'
import { startEngine } from '../../src/server/start.ts'
import type { Listen, Share } from '../../src/server/share.ts'
import { discard } from '../../src/sys/files.ts'
import { adoptListening, connectUnix, listenUnix } from '../../src/sys/sockets.ts'
import { fromText } from '../../src/util/text.ts'
import { openDescriptors } from '../support/descriptors.ts'
import {
  attached,
  connected,
  type DirectoryServer,
  serveDirectory,
  sharePolicy,
  shareSettings,
} from '../support/directory-server.ts'
import { built } from '../support/ordinary-user.ts'
import { memoryOf, rawFrame, requestFrame } from '../support/frames.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

/** For what takes long on a busy machine. */
const PATIENCE = { timeout: 60_000 }

let directory: string

beforeEach(() => {
  directory = temporaryDirectory()
  writeFileSync(join(directory, 'file'), 'hello')
})

async function opened(client: Client, fid: number, name: string, flags = 0): Promise<void> {
  await client.call.walk({ fid: 0, newfid: fid, names: [name] })
  await client.call.lopen({ fid, flags })
}

async function read(client: Client, fid: number, offset: number, count: number): Promise<Buffer> {
  const { data } = await client.call.read({ fid, offset, count })
  return payloadBytes(data)
}

/** The server has looked at all of its clients since: it has taken a new one and answered it. */
async function goRound(server: DirectoryServer): Promise<void> {
  const client = await server.client()
  client.close()
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
    socket.on('error', () => {})
    socket.resume()
  })
}

describe('an engine', () => {
  it('serves a directory', async () => {
    await using server = await serveDirectory(directory)
    const client = await server.client()
    await opened(client, 1, 'file')
    expect((await read(client, 1, 0, 100)).toString()).toBe('hello')
    client.close()
    await vi.waitFor(() =>
      expect(server.log.slice(1)).toEqual([
        'client 1: connected',
        'client 1: closed by the client',
      ]),
    )
  })

  it('creates files with the guest’s modes, and leaves this process its umask', async () => {
    const umask = process.umask(0o027)
    afterwards(() => process.umask(umask))
    await using server = await serveDirectory(directory)
    const client = await server.client()
    await client.call.lcreate({ fid: 0, name: 'new', flags: 1, mode: 0o100666, gid: 0 })
    expect(statSync(join(directory, 'new')).mode).toBe(0o100666)
    expect(process.umask(0o027)).toBe(0o027)
    client.close()
  })

  it('serves nothing but reads where it is read-only', async () => {
    await using server = await serveDirectory(directory, { readOnly: true })
    const client = await server.client()
    await expect(opened(client, 1, 'file', 2)).rejects.toMatchObject({ errno: errno.EROFS })
    const mkdir = client.call.mkdir({ dfid: 0, name: 'x', mode: 0o755, gid: 0 })
    await expect(mkdir).rejects.toMatchObject({ code: 'EROFS' })
    client.close()
  })

  it('writes and reads messages as large as msize', async () => {
    await using server = await serveDirectory(directory)
    for (const msize of [4096, 65536, limits.MSIZE_MAX, limits.MSIZE_MAX * 2]) {
      const client = await server.client(msize)
      expect(client.msize).toBe(Math.min(msize, limits.MSIZE_MAX))
      const name = `large ${msize}`
      await client.call.walk({ fid: 0, newfid: 1, names: [] })
      await client.call.lcreate({ fid: 1, name, flags: 2, mode: 0o644, gid: 0 })
      const length = client.msize - limits.IO_HEADER_BYTES
      const bytes = Buffer.from(Array.from({ length: length * 3 }, (_, i) => (i * 7) >> (i & 3)))
      const counts = await Promise.all(
        [0, 1, 2].map(async (i) => {
          const data = { memory: memoryOf(bytes), offset: i * length, length }
          return (await client.call.write({ fid: 1, offset: i * length, data })).count
        }),
      )
      expect(counts).toEqual([length, length, length])
      expect(readFileSync(join(directory, name)).equals(bytes)).toBe(true)
      const parts = await Promise.all(
        [0, 1, 2].map((i) => read(client, 1, i * length, 0xffff_ffff)),
      )
      expect(Buffer.concat(parts).equals(bytes)).toBe(true)
      client.close()
    }
  })

  it('answers requests in the order they come, also when they arrive byte by byte', async () => {
    await using server = await serveDirectory(directory)
    const socket = await server.socket()
    socket.setNoDelay(true)
    const attach = { fid: 0, afid: limits.NOFID, uname: '', aname: '', uid: 0 }
    const frames = Buffer.concat([
      requestFrame(limits.NOTAG, 'version', { msize: 8192, version: limits.VERSION }),
      requestFrame(1, 'attach', attach),
      requestFrame(2, 'walk', { fid: 0, newfid: 1, names: ['file'] }),
      requestFrame(3, 'lopen', { fid: 1, flags: 0 }),
      requestFrame(4, 'read', { fid: 1, offset: 1, count: 3 }),
      requestFrame(5, 'clunk', { fid: 1 }),
    ])
    for (const byte of frames) {
      socket.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    let received = Buffer.alloc(0)
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer])
      if (received.length >= 21 + 20 + 22 + 24 + 14 + 7) break
    }
    const tags: number[] = []
    for (let at = 0; at < received.length; at += received.readUInt32LE(at)) {
      tags.push(received.readUInt16LE(at + 5))
    }
    expect(tags).toEqual([0xffff, 1, 2, 3, 4, 5])
    expect(received.includes('ell')).toBe(true)
  })

  it('ends a connection that breaks the protocol, says why, and serves the others', async () => {
    await using server = await serveDirectory(directory)
    const good = await server.client()
    const broken = [
      Buffer.from([1, 0, 0, 0, 0, 0, 0]),
      Buffer.alloc(100, 0xff),
      rawFrame(100, 1, Buffer.from([1, 2])),
      requestFrame(1, 'clunk', { fid: 0 }),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    ]
    for (const bytes of broken) {
      const socket = await server.socket()
      const over = closed(socket)
      socket.write(bytes)
      await over
      await good.call.getattr({ fid: 0, mask: 1 })
    }
    const reasons = server.log.filter((line) => line.includes('protocol error'))
    expect(
      reasons.map((line) => line.replace(/^client \d: protocol error (\w+):.*/, '$1')),
    ).toEqual(['FRAME_TOO_SMALL', 'FRAME_TOO_LARGE', 'TRUNCATED', 'NO_VERSION', 'FRAME_TOO_LARGE'])
    good.close()
  })

  it('does not wait for a client that stops in the middle of a frame', async () => {
    await using server = await serveDirectory(directory)
    const half = await server.socket()
    half.write(Buffer.from([200, 0, 0, 0, 100]))
    const client = await server.client()
    await client.call.getattr({ fid: 0, mask: 1 })
    half.destroy()
    client.close()
  })

  it('keeps little memory for a client that does not read, and serves the others meanwhile', async () => {
    writeFileSync(join(directory, 'large'), Buffer.alloc(1 << 20, 'x'))
    await using server = await serveDirectory(directory)
    const socket = await server.socket()
    const lazy = await attached(socket)
    await opened(lazy, 1, 'large')
    const other = await server.client()
    await opened(other, 1, 'file')
    socket.pause()
    const before = server.memory()
    const reads = 4000
    const count = 65_000
    for (let i = 0; i < reads; i++) {
      socket.write(requestFrame(i, 'read', { fid: 1, offset: i, count }))
    }
    await expect.poll(() => socket.writableLength).toBe(0)
    for (let i = 0; i < 200; i++) expect((await read(other, 1, 0, 5)).toString()).toBe('hello')
    // All replies together are 260 MB.
    expect(server.memory() - before).toBeLessThan(80_000_000)
    other.close()
    lazy.close()
  })

  it('reads requests of a client that takes no replies: QEMU takes none while it writes', async () => {
    writeFileSync(join(directory, 'large'), Buffer.alloc(2 << 20, 'x'))
    await using server = await serveDirectory(directory)
    const socket = await server.socket()
    const client = await attached(socket, 1 << 20)
    await opened(client, 1, 'large')
    await opened(client, 2, 'file', 2)
    socket.pause()
    const length = 1_000_000
    const data = { memory: memoryOf(Buffer.alloc(length, 'y')), offset: 0, length }
    const asked = Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const bytes = read(client, 1, i, length)
        const { count } = await client.call.write({ fid: 2, offset: i * length, data })
        return [(await bytes).length, count]
      }),
    )
    await expect.poll(() => socket.writableLength, PATIENCE).toBe(0)
    await expect.poll(() => statSync(join(directory, 'file')).size, PATIENCE).toBe(40 * length)
    socket.resume()
    expect(await asked).toEqual(Array.from({ length: 40 }, () => [length, length]))
    client.close()
  })

  it('ends a client with more requests than tags, and serves the others', async () => {
    await using server = await serveDirectory(directory)
    const socket = await server.socket()
    await attached(socket)
    const other = await server.client()
    socket.pause()
    const over = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => {})
    const many = Buffer.concat(
      Array.from({ length: 10_000 }, () => requestFrame(1, 'getattr', { fid: 0, mask: 0 })),
    )
    const before = server.memory()
    for (let i = 0; i < 20; i++) socket.write(many)
    await expect
      .poll(() => server.log.at(-1), PATIENCE)
      .toMatch(/^client 1: protocol error TOO_MANY_REQUESTS: \d+ bytes of replies wait to be taken/)
    expect(server.memory() - before).toBeLessThan(150_000_000)
    await other.call.getattr({ fid: 0, mask: 0 })
    other.close()
    socket.resume()
    await over
  })

  it('sends all replies to a client that ends its side before it takes them', async () => {
    writeFileSync(join(directory, 'large'), Buffer.alloc(2 << 20, 'x'))
    await using server = await serveDirectory(directory)
    const socket = await server.socket()
    const client = await attached(socket, 1 << 20)
    await opened(client, 1, 'large')
    socket.pause()
    const asked = Promise.all(Array.from({ length: 20 }, (_, i) => read(client, 1, i, 1_000_000)))
    socket.end()
    await once(socket, 'finish')
    await goRound(server)
    socket.resume()
    for (const bytes of await asked) expect(bytes.length).toBe(1_000_000)
    await expect.poll(() => server.log, PATIENCE).toContain('client 1: closed by the client')
  })

  it('sends a slow client all its replies in the end', async () => {
    writeFileSync(join(directory, 'large'), Buffer.alloc(1 << 20, 'x'))
    await using server = await serveDirectory(directory)
    const socket = await server.socket()
    const client = await attached(socket)
    await opened(client, 1, 'large')
    socket.pause()
    const all = Promise.all(
      Array.from({ length: 300 }, (_, i) => client.call.read({ fid: 1, offset: i, count: 65_000 })),
    )
    await goRound(server)
    socket.resume()
    expect((await all).every(({ data }) => data.length === 65_000)).toBe(true)
    client.close()
  })

  it('serves many connections', async () => {
    const most = { ...defaultLimits, connections: 200 }
    await using server = await serveDirectory(directory, { limits: most })
    const before = server.descriptors()
    const clients: Client[] = []
    // Not all at once: the kernel keeps at most 128 connections that were not accepted yet.
    for (let i = 0; i < 5; i++) {
      clients.push(...(await Promise.all(Array.from({ length: 40 }, () => server.client()))))
    }
    await Promise.all(clients.map((client) => opened(client, 1, 'file')))
    const texts = await Promise.all(clients.map((client) => read(client, 1, 0, 5)))
    expect(new Set(texts.map(String))).toEqual(new Set(['hello']))
    for (const client of clients) client.close()
    await vi.waitFor(() => expect(server.descriptors()).toBe(before))
  })

  it('ends connections when no descriptors are left, and serves the others', async () => {
    const path = join(directory, 'socket')
    const share: Share = {
      exports: [{ name: null, directory, ...sharePolicy, readOnly: true }],
      listen: [{ kind: 'unix', path }],
      ...shareSettings,
    }
    // A process of its own, which may have few. It prints what its engine logs.
    const script = `
      import { startEngine } from '${built('server/start.js')}'
      await startEngine(${JSON.stringify(share)}, (line) => console.log(line))
      console.log('ready')`
    const node = [process.execPath, '--input-type=module', '--eval', script]
    const child = spawn('sh', ['-c', 'ulimit -n 60; exec "$@"', 'sh', ...node])
    afterwards(() => child.kill('SIGKILL'))
    let lines: string[] = []
    child.stdout.on('data', (text: Buffer) => {
      lines = [...lines, ...text.toString().trimEnd().split('\n')]
    })
    await vi.waitFor(() => expect(lines).toContain('ready'))

    const where = { kind: 'unix', path } as const
    const first = await attached(await connected(where))
    const sockets = await Promise.all(Array.from({ length: 60 }, () => connected(where)))
    let ended = 0
    for (const socket of sockets) void closed(socket).then(() => ended++)
    await vi.waitFor(() => expect(ended).toBeGreaterThan(10))
    await first.call.getattr({ fid: 0, mask: 1 })
    // The log and the ends of connections arrive on different ways.
    await vi.waitFor(() => {
      const refused = lines.filter((line) => line.includes('EMFILE'))
      expect(refused.length).toBeLessThanOrEqual(ended)
    })

    for (const socket of sockets) socket.destroy()
    await vi.waitFor(async () => (await attached(await connected(where))).close())
    first.close()
  })

  it('accepts no more clients than the limit, logs that once, and goes on', async () => {
    const most = { ...defaultLimits, connections: 3 }
    await using server = await serveDirectory(directory, { limits: most })
    const first = await Promise.all([server.client(), server.client(), server.client()])
    for (let i = 0; i < 10; i++) await closed(await server.socket())
    for (const client of first) await client.call.getattr({ fid: 0, mask: 1 })
    const refusals = (): string[] => server.log.filter((line) => line.includes('not let in'))
    expect(refusals()).toEqual(['3 clients are connected, and more are not let in'])

    // Room for one, and it is taken.
    first[0].close()
    await vi.waitFor(async () => (await server.client()).call.getattr({ fid: 0, mask: 1 }))
    await closed(await server.socket())
    for (const client of first.slice(1)) client.close()
  })

  it('limits the log lines of clients that come and go', async () => {
    await using server = await serveDirectory(directory)
    const stays = await server.client()
    for (let i = 0; i < 300; i++) {
      const socket = await server.socket()
      socket.destroy()
      // The kernel keeps a limited number of connections that were not accepted yet.
      if (i % 10 === 0) await stays.call.getattr({ fid: 0, mask: 1 })
    }
    const leftOut = 'too much happens to log it all: lines are left out'
    await vi.waitFor(() => expect(server.log).toContain(leftOut))
    expect(server.log.length).toBeLessThan(400)
    stays.close()
  })

  it('keeps little for clients that send nothing, or half a frame', async () => {
    await using server = await serveDirectory(directory)
    const before = server.memory()
    const version = requestFrame(limits.NOTAG, 'version', {
      msize: limits.MSIZE_MAX,
      version: limits.VERSION,
    })
    const announced = Buffer.alloc(limits.MSIZE_MAX / 2)
    announced.writeUInt32LE(limits.MSIZE_MAX, 0)
    const sockets: Socket[] = []
    for (let i = 0; i < 60; i++) {
      const socket = await server.socket()
      socket.on('error', () => {})
      sockets.push(socket)
      if (i % 3 > 0) socket.write(version)
      // The second sends all that it can before its message is whole.
      if (i % 3 === 1) socket.write(announced)
      if (i % 3 === 2) socket.write(announced.subarray(0, 5))
    }
    const client = await server.client()
    await opened(client, 1, 'file')
    expect((await read(client, 1, 0, 5)).toString()).toBe('hello')
    // Two messages of 1 MiB each at most, and a little.
    expect(server.memory() - before).toBeLessThan(61 * 2.3 * 2 ** 20)
    for (const socket of sockets) socket.destroy()
    client.close()
  })

  it('gives a client no more fids than the limit', async () => {
    await using server = await serveDirectory(directory, { limits: { ...defaultLimits, fids: 5 } })
    const client = await server.client()
    const walks = Array.from({ length: 10 }, (_, i) =>
      client.call.walk({ fid: 0, newfid: i + 1, names: [] }).then(
        () => 0,
        (error: unknown) => (error as { errno: number }).errno,
      ),
    )
    const answers = await Promise.all(walks)
    expect(answers.slice(0, 4)).toEqual([0, 0, 0, 0])
    expect(answers.slice(4)).toEqual(Array.from({ length: 6 }, () => errno.ENFILE))
    await client.call.clunk({ fid: 1 })
    await client.call.walk({ fid: 0, newfid: 1, names: [] })
    // All are refused, and one line says so.
    const said = server.log.filter((line) => line.includes('limit'))
    expect(said).toEqual(['client 1: has reached its limit of 5 fids, more is answered ENFILE'])
    client.close()
  })
})

describe('an engine for one client', () => {
  it('closes the connections of all others, and ends when that one has gone', async () => {
    await using server = await serveDirectory(directory, { once: true })
    const client = await server.client()
    for (let i = 0; i < 3; i++) await closed(await server.socket())
    await opened(client, 1, 'file')
    expect((await read(client, 1, 0, 5)).toString()).toBe('hello')
    client.close()
    await server.engine.ended
    expect(existsSync(server.socketPath)).toBe(false)
    expect(server.log).toContain('its client is there, and another one is not let in')
  })

  it('does not take for it what only looks whether it is there', async () => {
    await using server = await serveDirectory(directory, { once: true })
    const silent = await server.socket()
    silent.end()
    await closed(silent)
    const waiting = await server.socket()
    const client = await server.client()
    expect(await client.call.getattr({ fid: 0, mask: 1 })).toMatchObject({ nlink: 2 })
    waiting.destroy()
    client.close()
    await server.engine.ended
  })

  it('waits for it, and can be closed meanwhile', async () => {
    const server = await serveDirectory(directory, { once: true })
    await server.engine.close()
    await server.engine.ended
  })
})

describe('a socket that the engine is given', () => {
  const given = (path: string, fd: number): Listen => {
    return { kind: 'virtiofs', path: '', fd, caching: 'none', remoteLocks: false }
  }

  it('is taken over and closed, and its file stays', async () => {
    const path = join(directory, 'given')
    const before = openDescriptors()
    const fd = listenUnix(fromText(path))
    const server = await serveDirectory(directory, { listen: [given(path, fd)] })
    expect(server.engine.listen).toEqual([expect.objectContaining({ path, fd })])
    const socket = await connected({ kind: 'unix', path })
    socket.destroy()
    await vi.waitFor(() => expect(server.log).toContain('client 1: closed by the frontend'))
    await server.engine.close()
    expect(existsSync(path)).toBe(true)
    await vi.waitFor(() => expect(openDescriptors()).toBe(before))
  })

  it('is refused if it is none that listens, and stays open', async () => {
    const path = join(directory, 'given')
    const fd = listenUnix(fromText(path))
    const client = connectUnix(fromText(path))
    const wrong = serveDirectory(directory, { listen: [given(path, client)] })
    await expect(wrong).rejects.toMatchObject({ errno: errno.EINVAL })
    expect(adoptListening(fd)).toBe(fromText(path))
    discard(client)
    discard(fd)
  })
})

describe('where an engine listens', () => {
  it('can be several places, TCP on a port of the kernel’s choice among them', async () => {
    const path = join(directory, 'socket')
    await using server = await serveDirectory(directory, {
      listen: [
        { kind: 'tcp', host: '127.0.0.1', port: 0 },
        { kind: 'unix', path },
        { kind: 'tcp', host: '127.0.0.1', port: 0 },
      ],
    })
    const { listen } = server.engine
    const ports = listen.map((each) => (each.kind === 'tcp' ? each.port : 0))
    expect(ports[0]).toBeGreaterThan(0)
    expect(ports[2]).toBeGreaterThan(0)
    expect(ports[0]).not.toBe(ports[2])
    for (const each of listen) {
      const client = await attached(await connected(each))
      await opened(client, 1, 'file')
      expect((await read(client, 1, 0, 5)).toString()).toBe('hello')
      client.close()
    }
  })

  it('is open to its user alone', async () => {
    await using server = await serveDirectory(directory)
    expect(statSync(server.socketPath).mode).toBe(0o140600)
  })
})

describe('closing an engine', () => {
  it('ends its clients, removes its socket file and gives back every descriptor', async () => {
    // Node opens some of its own the first time.
    await (await serveDirectory(directory)).engine.close()
    const before = openDescriptors()
    const server = await serveDirectory(directory)
    const sockets = await Promise.all([server.socket(), server.socket()])
    const client = await attached(sockets[0])
    await opened(client, 1, 'file')
    await client.call.walk({ fid: 0, newfid: 2, names: [] })
    const over = sockets.map(closed)
    const waiting = server.engine.close()
    await waiting
    await Promise.all(over)
    await server.engine.close()
    await server.engine.ended
    expect(existsSync(server.socketPath)).toBe(false)
    await vi.waitFor(() => expect(openDescriptors()).toBe(before))
  })

  it('does not mind that its socket file is gone', async () => {
    const other = join(directory, 'second')
    const server = await serveDirectory(directory, {
      listen: [
        { kind: 'unix', path: join(directory, 'first') },
        { kind: 'unix', path: other },
      ],
    })
    unlinkSync(join(directory, 'first'))
    await server.engine.close()
    expect(existsSync(other)).toBe(false)
  })
})

describe('a socket file', () => {
  it('stays if another program has put it there meanwhile', async () => {
    const server = await serveDirectory(directory)
    unlinkSync(server.socketPath)
    writeFileSync(server.socketPath, 'theirs')
    await server.engine.close()
    expect(readFileSync(server.socketPath, 'utf8')).toBe('theirs')
  })

  it('is removed too when the process ends without closing its engine', async () => {
    const path = join(directory, 'socket')
    const share: Share = {
      exports: [{ name: null, directory, ...sharePolicy }],
      listen: [{ kind: 'unix', path }],
      ...shareSettings,
    }
    const script = `
      import { existsSync } from 'node:fs'
      import { startEngine } from '${built('server/start.js')}'
      await startEngine(${JSON.stringify(share)})
      process.exit(existsSync('${path}') ? 7 : 1)`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script])
    afterwards(() => child.kill('SIGKILL'))
    const status = await new Promise((resolve) => child.once('exit', resolve))
    expect(status).toBe(7)
    expect(existsSync(path)).toBe(false)
  })
})

describe('an engine that cannot start', () => {
  async function start(path: string, ...listen: Listen[]): Promise<string> {
    try {
      const engine = await startEngine({
        exports: [{ name: null, directory: path, ...sharePolicy }],
        listen,
        ...shareSettings,
      })
      await engine.close()
    } catch (error) {
      return (error as { code: string }).code
    }
    return 'it started'
  }

  it('says why and leaves no descriptor and no file behind', async () => {
    const free = { kind: 'unix', path: join(directory, 'free') } as const
    expect(await start(directory, free)).toBe('it started')
    await using server = await serveDirectory(directory)
    const before = openDescriptors()
    mkdirSync(join(directory, 'dir'))
    const used = { kind: 'unix', path: server.socketPath } as const
    const file = { kind: 'unix', path: join(directory, 'file') } as const
    const missing = { kind: 'unix', path: join(directory, 'no', 'socket') } as const
    const long = { kind: 'unix', path: join(directory, 'x'.repeat(108)) } as const
    expect(await start(join(directory, 'missing'), free)).toBe('ENOENT')
    expect(await start(join(directory, 'file'), free)).toBe('ENOTDIR')
    expect(await start('/proc', free)).toBe('EINVAL')
    expect(await start(directory, used)).toBe('EADDRINUSE')
    expect(await start(directory, file)).toBe('EADDRINUSE')
    expect(await start(directory, free, used)).toBe('EADDRINUSE')
    expect(await start(directory, missing)).toBe('ENOENT')
    expect(await start(directory, long)).toBe('ENAMETOOLONG')
    expect(existsSync(free.path)).toBe(false)
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('hello')
    await vi.waitFor(() => expect(openDescriptors()).toBe(before))
    // Whom it could not replace is served as before.
    const client = await server.client()
    client.close()
  })

  it('on a TCP port in use', async () => {
    await using server = await serveDirectory(directory, {
      listen: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }],
    })
    const [used] = server.engine.listen
    expect(await start(directory, used!)).toBe('EADDRINUSE')
  })
})
