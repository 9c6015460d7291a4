import { type Duplex, duplexPair } from 'node:stream'
import { beforeEach, describe, expect, it } from 'vitest'
import { Client } from '../../src/9p/client.ts'
import { errno } from '../../src/sys/errno.ts'
import {
  encodeError,
  encodeReply,
  heapMemory,
  limits,
  type MessageName,
  type R,
  Writer,
} from '../../src/9p/index.ts'
import { memoryOf } from '../support/frames.ts'

/** A server that says what the test tells it to. */
class Puppet {
  readonly stream: Duplex
  readonly #ours: Duplex
  readonly #chunks: Buffer[] = []
  #received = Buffer.alloc(0)

  constructor() {
    const [ours, theirs] = duplexPair()
    this.#ours = ours
    this.stream = theirs
    ours.on('data', (chunk: Buffer) => this.#chunks.push(chunk))
  }

  /** The next request, once it has arrived. */
  async request(): Promise<{ type: number; tag: number; frame: Buffer }> {
    const isWhole = (some: Buffer): boolean => {
      return some.length >= 4 && some.length >= some.readUInt32LE(0)
    }
    while (!isWhole(this.#received)) {
      await new Promise((resolve) => setImmediate(resolve))
      this.#received = Buffer.concat([this.#received, ...this.#chunks.splice(0)])
    }
    const frame = this.#received.subarray(0, this.#received.readUInt32LE(0))
    this.#received = this.#received.subarray(frame.length)
    return { type: frame[4]!, tag: frame.readUInt16LE(5), frame }
  }

  reply<M extends MessageName>(tag: number, name: M, fields: R<M>): void {
    this.send(bytes((to) => encodeReply(to, tag, name, fields)))
  }

  error(tag: number, ecode: number): void {
    this.send(bytes((to) => encodeError(to, tag, ecode)))
  }

  send(frame: Uint8Array): void {
    this.#ours.write(frame)
  }

  end(): void {
    this.#ours.end()
  }
}

function bytes(write: (to: Writer) => void): Buffer {
  const memory = heapMemory(65536)
  const to = new Writer(memory).over(memory, 0, 65536)
  write(to)
  return Buffer.from(memory.bytes.subarray(0, to.position))
}

let server: Puppet

beforeEach(() => {
  server = new Puppet()
})

async function connect(msize = 8192, agreed = msize): Promise<Client> {
  const connecting = Client.connect(server.stream, msize)
  const { tag } = await server.request()
  server.reply(tag, 'version', { msize: agreed, version: limits.VERSION })
  return connecting
}

const qid = (path: number): R<'attach'>['qid'] => ({ type: 0, version: 1, path: BigInt(path) })

describe('a client', () => {
  it('begins with Tversion, tag NOTAG, and keeps to the msize that was agreed', async () => {
    const connecting = Client.connect(server.stream, 100_000)
    const { type, tag, frame } = await server.request()
    expect([type, tag, frame.readUInt32LE(7)]).toEqual([100, limits.NOTAG, 100_000])
    expect(frame.toString('latin1', 13)).toBe('9P2000.L')
    server.reply(tag, 'version', { msize: 5000, version: limits.VERSION })
    expect((await connecting).msize).toBe(5000)
  })

  it('gives up on a server of another dialect', async () => {
    const connecting = Client.connect(server.stream)
    const { tag } = await server.request()
    server.reply(tag, 'version', { msize: 8192, version: 'unknown' })
    await expect(connecting).rejects.toThrow('the server speaks unknown')
    expect(server.stream.destroyed).toBe(true)
  })

  it('gives up on a server that refuses Tversion', async () => {
    const connecting = Client.connect(server.stream)
    const { tag } = await server.request()
    server.error(tag, errno.EINVAL)
    await expect(connecting).rejects.toMatchObject({ errno: errno.EINVAL })
    expect(server.stream.destroyed).toBe(true)
  })

  it('matches replies with requests by their tags, in any order', async () => {
    const client = await connect()
    const names = Array.from({ length: 50 }, (_, i) => `name ${i}`)
    const answers = names.map((name, i) => client.call.walk({ fid: 0, newfid: i, names: [name] }))
    const requests = await Promise.all(names.map(() => server.request()))
    expect(new Set(requests.map(({ tag }) => tag)).size).toBe(50)
    expect(requests.every(({ tag }) => tag !== limits.NOTAG)).toBe(true)
    for (const { tag, frame } of requests.toReversed()) {
      server.reply(tag, 'walk', { qids: [qid(frame.readUInt32LE(11))] })
    }
    const paths = (await Promise.all(answers)).map(({ qids }) => Number(qids[0]!.path))
    expect(paths).toEqual(names.map((_, i) => i))
  })

  it('never uses a tag again that waits for its reply', async () => {
    const client = await connect()
    const first = client.send('clunk', { fid: 1 })
    const held = await server.request()
    const tags = new Set<number>()
    for (let i = 0; i < 66_000; i++) {
      const { tag, reply } = client.send('clunk', { fid: 2 })
      tags.add(tag)
      client.forget(tag)
      await reply.catch(() => {})
    }
    expect(tags.has(first.tag)).toBe(false)
    expect(tags.has(limits.NOTAG)).toBe(false)
    expect(tags.size).toBe(limits.NOTAG - 1)
    server.reply(held.tag, 'clunk', {})
    await first.reply
  })

  it('reads replies that come byte by byte, or many at once', async () => {
    const client = await connect()
    const calls = [client.call.clunk({ fid: 1 }), client.call.readlink({ fid: 1 })]
    const frames = [
      bytes((to) => encodeReply(to, 2, 'readlink', { target: '\u00ff target' })),
      bytes((to) => encodeReply(to, 1, 'clunk', {})),
    ]
    for (const byte of Buffer.concat(frames)) server.send(Buffer.from([byte]))
    expect(await Promise.all(calls)).toEqual([{}, { target: '\u00ff target' }])

    const more = [3, 4, 5].map(() => client.call.clunk({ fid: 1 }))
    server.send(
      Buffer.concat([3, 4, 5].map((tag) => bytes((to) => encodeReply(to, tag, 'clunk', {})))),
    )
    expect(await Promise.all(more)).toEqual([{}, {}, {}])
  })

  it('rejects a refused request with its errno, and goes on', async () => {
    const client = await connect()
    const refused = client.call.getattr({ fid: 9, mask: 1 })
    server.error((await server.request()).tag, errno.EBADF)
    await expect(refused).rejects.toMatchObject({
      name: 'ErrnoError',
      errno: errno.EBADF,
      code: 'EBADF',
      message: 'Tgetattr: EBADF',
    })
    const next = client.call.clunk({ fid: 1 })
    server.reply((await server.request()).tag, 'clunk', {})
    await next
  })

  it('does not overwrite data with later replies', async () => {
    const client = await connect()
    const reads = [1, 2].map((offset) => client.call.read({ fid: 1, offset, count: 10 }))
    for (const text of ['first', 'other']) {
      const data = { memory: memoryOf(Buffer.from(text)), offset: 0, length: 5 }
      server.reply((await server.request()).tag, 'read', { data })
      await new Promise((resolve) => setImmediate(resolve))
    }
    const texts = (await Promise.all(reads)).map(({ data: { memory, offset, length } }) =>
      memory.bytes.toString('latin1', offset, offset + length),
    )
    expect(texts).toEqual(['first', 'other'])
  })

  it('does not send what is larger than msize', async () => {
    const client = await connect(4096)
    const length = 4096
    const data = { memory: heapMemory(length), offset: 0, length }
    await expect(client.call.write({ fid: 1, offset: 0, data })).rejects.toThrow(RangeError)
    const next = client.call.clunk({ fid: 7 })
    const { type, tag } = await server.request()
    expect(type).toBe(120)
    server.reply(tag, 'clunk', {})
    await next
  })

  it('forgets a request that was flushed', async () => {
    const client = await connect()
    const { tag, reply } = client.send('read', { fid: 1, offset: 0, count: 1 })
    const flushed = client.call.flush({ oldtag: tag })
    expect((await server.request()).tag).toBe(tag)
    const flush = await server.request()
    expect(flush.frame.readUInt16LE(7)).toBe(tag)
    server.reply(flush.tag, 'flush', {})
    await flushed
    client.forget(tag)
    await expect(reply).rejects.toThrow('flushed')
  })
})

describe('a client whose connection is over', () => {
  it('rejects requests under way and later ones after close()', async () => {
    const client = await connect()
    const waiting = [client.call.clunk({ fid: 1 }), client.call.clunk({ fid: 2 })]
    client.close()
    for (const each of waiting) await expect(each).rejects.toThrow('closed')
    await expect(client.call.clunk({ fid: 3 })).rejects.toThrow('closed')
    client.close()
  })

  it('rejects them when the server ends the connection', async () => {
    const client = await connect()
    const waiting = client.call.clunk({ fid: 1 })
    server.end()
    await expect(waiting).rejects.toThrow('closed')
  })

  it.each<[string, (tag: number) => Buffer]>([
    [
      'to a request that was not made',
      (tag) => bytes((to) => encodeReply(to, tag + 1, 'clunk', {})),
    ],
    ['of another kind', (tag) => bytes((to) => encodeReply(to, tag, 'fsync', {}))],
    ['that is cut', (tag) => Buffer.from([8, 0, 0, 0, 7, tag, 0, 0])],
    ['with bytes too many', (tag) => Buffer.from([9, 0, 0, 0, 121, tag, 0, 0, 0])],
    ['above msize', () => Buffer.from([1, 0x20, 0, 0, 121])],
    ['without a header', () => Buffer.from([6, 0, 0, 0])],
  ])('ends it on a reply %s', async (_what, reply) => {
    const client = await connect()
    const waiting = client.call.clunk({ fid: 1 })
    server.send(reply((await server.request()).tag))
    const failure = await waiting.catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(Error)
    expect(server.stream.destroyed).toBe(true)
    await expect(client.call.clunk({ fid: 1 })).rejects.toBe(failure)
  })
})
