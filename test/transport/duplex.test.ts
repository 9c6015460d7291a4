import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type Duplex, duplexPair } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { Client } from '../../src/9p/client.ts'
import { limits, payloadBytes } from '../../src/9p/index.ts'
import { DuplexConnection, serveDuplex } from '../../src/transport/stream/duplex.ts'
import { connected } from '../support/directory-server.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { memoryOf, requestFrame } from '../support/frames.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

/** For what takes long on a busy machine. */
const PATIENCE = { timeout: 60_000 }

let tree: FakeTree
let log: string[]

beforeEach(() => {
  tree = new FakeTree()
  log = []
})

interface Connection {
  readonly theirs: Duplex
  readonly over: Promise<void>
  /** The client goes. The end of a pair does not tell the other one when it is destroyed. */
  readonly leave: () => void
}

/** Both kinds of stream that there are: Node's own pair, and sockets. */
const kinds: Record<string, () => Promise<Connection>> = {
  'a pair of streams': async () => {
    const [ours, theirs] = duplexPair()
    const over = serveDuplex(tree, ours, (line) => log.push(line))
    return { theirs, over, leave: () => theirs.end() }
  },
  'a socket': async () => {
    const path = join(temporaryDirectory(), 'socket')
    const server = createServer({ allowHalfOpen: true })
    afterwards(() => server.close())
    await new Promise<void>((resolve) => server.listen(path, resolve))
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
    const theirs = await connected({ kind: 'unix', path })
    const over = serveDuplex(tree, await accepted, (line) => log.push(line))
    return { theirs, over, leave: () => theirs.destroy() }
  },
}

/** Lets the server of this thread do what there is to do: many turns of the event loop, and no amount of time. */
async function turns(): Promise<void> {
  for (let i = 0; i < 1000; i++) await turn()
}

async function attach(theirs: Duplex, msize?: number): Promise<Client> {
  const client = await Client.connect(theirs, msize)
  await client.call.attach({ fid: 0, afid: limits.NOFID, uname: '', aname: '', uid: 0 })
  return client
}

async function opened(client: Client, fid: number, name: string): Promise<void> {
  await client.call.walk({ fid: 0, newfid: fid, names: [name] })
  await client.call.lopen({ fid, flags: 0 })
}

describe.each(Object.entries(kinds))('serveDuplex over %s', (_kind, connection) => {
  it('answers, many requests at once, and is over when the client goes', async () => {
    const { theirs, over, leave } = await connection()
    const client = await attach(theirs)
    await opened(client, 1, 'file')
    const texts = await Promise.all(
      Array.from({ length: 500 }, async (_, i) => {
        const { data } = await client.call.read({ fid: 1, offset: i % 5, count: 100 })
        return payloadBytes(data).toString()
      }),
    )
    expect(texts).toEqual(texts.map((_, i) => 'hello'.slice(i % 5)))
    leave()
    await over
    expect([tree.uses, tree.openFiles, tree.faults, log]).toEqual([0, 0, [], []])
  })

  it('sends answers that come later', async () => {
    const { theirs } = await connection()
    const client = await attach(theirs)
    await opened(client, 1, 'slow')
    const waiting = [1, 2, 3].map((count) => client.call.read({ fid: 1, offset: 0, count }))
    await client.call.getattr({ fid: 0, mask: 0 })
    for (const parked of tree.parked) parked.resolve(Buffer.from('late answer'))
    const texts = (await Promise.all(waiting)).map(({ data }) => payloadBytes(data).toString())
    expect(texts).toEqual(['l', 'la', 'lat'])
    client.close()
  })

  it('cancels what waits when the client goes', async () => {
    const { theirs, over, leave } = await connection()
    const client = await attach(theirs)
    await opened(client, 1, 'slow')
    const waiting = client.call.read({ fid: 1, offset: 0, count: 1 })
    await client.call.getattr({ fid: 0, mask: 0 })
    leave()
    await expect(waiting).rejects.toThrow('closed')
    await over
    expect(tree.cancelled).toBe(1)
    tree.parked[0]!.resolve(Buffer.from('late'))
  })

  it('ends on a malformed frame, with one line in the log', async () => {
    const { theirs, over } = await connection()
    const client = await attach(theirs)
    theirs.on('error', () => {})
    await client.call.getattr({ fid: 0, mask: 0 })
    theirs.write(Buffer.from([3, 0, 0, 0, 1, 1, 1, 1]))
    await over
    expect(log).toHaveLength(1)
    expect(tree.uses).toBe(0)
  })

  it('answers a client that has ended its side', async () => {
    const { theirs, over } = await connection()
    const received: Buffer[] = []
    theirs.on('data', (chunk: Buffer) => received.push(chunk))
    const ended = new Promise((resolve) => theirs.once('end', resolve))
    const version = { msize: 8192, version: limits.VERSION }
    theirs.end(requestFrame(limits.NOTAG, 'version', version))
    await ended
    await over
    expect(Buffer.concat(received)[4]).toBe(101)
  })

  it('sends all replies to a client that ends its side before it takes them', async () => {
    const { theirs, over } = await connection()
    const ended = new Promise((resolve) => theirs.once('end', resolve))
    const received: Buffer[] = []
    theirs.end(
      Buffer.concat([
        requestFrame(limits.NOTAG, 'version', { msize: 1 << 20, version: limits.VERSION }),
        requestFrame(1, 'attach', { fid: 0, afid: limits.NOFID, uname: '', aname: '', uid: 0 }),
        requestFrame(1, 'walk', { fid: 0, newfid: 1, names: ['big'] }),
        requestFrame(1, 'lopen', { fid: 1, flags: 0 }),
        ...Array.from({ length: 20 }, (_, tag) =>
          requestFrame(tag, 'read', { fid: 1, offset: tag, count: 500_000 }),
        ),
      ]),
    )
    await turns()
    theirs.on('data', (chunk: Buffer) => received.push(chunk))
    await ended
    await over
    expect(Buffer.concat(received).length).toBe(21 + 20 + 22 + 24 + 20 * 500_011)
  })

  it('reads requests of a client that takes no replies: QEMU takes none while it writes', async () => {
    const { theirs } = await connection()
    const client = await attach(theirs, 1 << 20)
    await opened(client, 1, 'big')
    await client.call.walk({ fid: 0, newfid: 2, names: ['file'] })
    await client.call.lopen({ fid: 2, flags: 1 })
    theirs.pause()
    const data = { memory: memoryOf(Buffer.alloc(500_000)), offset: 0, length: 500_000 }
    const asked = Promise.all(
      Array.from({ length: 40 }, async (_, offset) => {
        const read = client.call.read({ fid: 1, offset, count: 500_000 })
        const { count } = await client.call.write({ fid: 2, offset, data })
        return [(await read).data.length, count]
      }),
    )
    const written = (): number => tree.calls.filter((call) => call.startsWith('write')).length
    await expect.poll(() => theirs.writableLength, PATIENCE).toBe(0)
    await expect.poll(written, PATIENCE).toBe(40)
    theirs.resume()
    expect(await asked).toEqual(Array.from({ length: 40 }, () => [500_000, 500_000]))
    client.close()
  })

  it('stops answering a client that does not read, and goes on when it does', async () => {
    const { theirs } = await connection()
    const client = await attach(theirs)
    await opened(client, 1, 'big')
    theirs.pause()
    const reads = 1000
    let arrived = 0
    const all = Promise.all(
      Array.from({ length: reads }, async (_, i) => {
        const { data } = await client.call.read({ fid: 1, offset: i, count: 100_000 })
        arrived++
        return data.length
      }),
    )
    await turns()
    const answered = tree.calls.filter((call) => call.startsWith('read')).length
    // Some fit into the buffers on the way.
    expect(answered).toBeLessThan(50)
    expect(arrived).toBe(0)
    theirs.resume()
    expect(new Set(await all)).toEqual(new Set([100_000]))
    client.close()
  })
})

describe('a turn', () => {
  /** A client that has begun a session and then asks for very much, of a server with short turns. */
  function flood(): { ours: Duplex; theirs: Duplex; connection: DuplexConnection } {
    const [ours, theirs] = duplexPair()
    // Each look at the clock is a millisecond later: a turn has a few requests.
    let now = 0
    const connection = new DuplexConnection(tree, ours, { now: () => now++ })
    theirs.resume()
    const root = { fid: 0, afid: limits.NOFID, uname: '', aname: '', uid: 0 }
    const asked = Array.from({ length: REQUESTS }, (_, i) => requestFrame(i, 'statfs', { fid: 0 }))
    const begin = [
      requestFrame(limits.NOTAG, 'version', { msize: 8192, version: limits.VERSION }),
      requestFrame(0, 'attach', root),
    ]
    theirs.write(Buffer.concat([...begin, ...asked]))
    return { ours, theirs, connection }
  }

  /** How many requests of the flood were answered. */
  function answered(): number {
    return tree.calls.filter((call) => call === 'statfs').length
  }

  const REQUESTS = 300

  it('lets Node’s event loop go on while a client asks for very much', async () => {
    const { theirs, connection } = flood()
    const counts = [0]
    for (let i = 0; i < 10_000 && answered() < REQUESTS; i++) {
      await turn()
      counts.push(answered())
    }
    expect(answered()).toBe(REQUESTS)
    const steps = counts.slice(1).map((count, i) => count - counts[i]!)
    expect(Math.max(...steps)).toBeLessThan(12)
    theirs.end()
    await connection.over
  })

  it('that a client leaves half way is the last one', async () => {
    const { ours, connection } = flood()
    for (let i = 0; i < 10_000 && answered() === 0; i++) await turn()
    ours.destroy()
    await connection.over
    const count = answered()
    await turns()
    expect(answered()).toBe(count)
    expect(count).toBeLessThan(REQUESTS)
  })
})
