import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Client } from '../../src/9p/client.ts'
import { flags, payloadBytes } from '../../src/9p/index.ts'
import { attached, connected } from '../support/directory-server.ts'
import { memoryOf } from '../support/frames.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { Cli } from '../support/vm-cli.ts'

/** Bytes of one Twrite: not a multiple of a page, so that neighbouring writes share pages. */
const BLOCK = 5000
/** Writes between one Tfsync and the next. */
const BATCH = 4
/** The number of files that grow at the same time, each with its own requests under way. */
const FILES = 3
/** More rounds than a server lives for. */
const FOREVER = 1 << 20

let shared: string
let path: string

beforeEach(() => {
  const folder = temporaryDirectory()
  shared = join(folder, 'shared')
  mkdirSync(shared)
  path = join(folder, 'socket')
})

async function serving(): Promise<Cli> {
  const cli = Cli.start(['serve', shared, '--listen', `unix:${path}`])
  await cli.printed('trans=unix,')
  return cli
}

async function client(): Promise<Client> {
  return attached(await connected({ kind: 'unix', path }))
}

/** The content of file `file` from `start` to `end`. No other place and no other file has the same bytes. */
function content(file: number, start: number, end: number): Buffer {
  const bytes = Buffer.alloc(end - start)
  for (let i = 0; i < bytes.length; i++) {
    const at = start + i
    bytes[i] = (at ^ (at >>> 8) ^ (at >>> 16) ^ (file * 85)) & 0xff
  }
  return bytes
}

/** What the server has confirmed so far. */
interface Confirmed {
  /** Answered requests. */
  replies: number
  /** For each growing file: how many bytes an Rwrite has confirmed, and how many an Rfsync. */
  readonly written: number[]
  readonly synced: number[]
  /** Files that were written, synced and then given their names. */
  readonly named: string[]
}

/** Writes until the server is gone. `onReply` is called for each reply. */
async function workload(
  to: Client,
  confirmed: Confirmed,
  onReply: () => void,
  rounds = FOREVER,
): Promise<void> {
  const replied = async <V>(reply: Promise<V>): Promise<V> => {
    const value = await reply
    confirmed.replies++
    onReply()
    return value
  }
  const create = async (fid: number, name: string): Promise<void> => {
    await replied(to.call.walk({ fid: 0, newfid: fid, names: [] }))
    const mode = 0o100644
    await replied(to.call.lcreate({ fid, name, flags: flags.open.RDWR, mode, gid: 0 }))
  }
  const write = (fid: number, offset: number, bytes: Buffer): Promise<{ count: number }> => {
    const data = { memory: memoryOf(bytes), offset: 0, length: bytes.length }
    return replied(to.call.write({ fid, offset, data }))
  }

  const grow = async (file: number): Promise<void> => {
    const fid = 1 + file
    await create(fid, `growing-${file}`)
    for (let round = 0; round < rounds; round++) {
      const start = round * BATCH * BLOCK
      const writes = Array.from({ length: BATCH }, (_, i) => start + i * BLOCK).map((at) =>
        write(fid, at, content(file, at, at + BLOCK)),
      )
      await Promise.all(writes)
      confirmed.written[file] = start + BATCH * BLOCK
      await replied(to.call.fsync({ fid, datasync: round % 2 }))
      confirmed.synced[file] = start + BATCH * BLOCK
    }
  }

  /** As editors and package managers do: a file gets its name once it is complete. */
  const name = async (): Promise<void> => {
    const fid = 1 + FILES
    for (let round = 0; round < rounds; round++) {
      await create(fid, 'unfinished')
      await write(fid, 0, content(round, 0, BLOCK))
      await replied(to.call.fsync({ fid, datasync: 0 }))
      await replied(to.call.clunk({ fid }))
      const newname = `named-${round}`
      const names = { olddirfid: 0, oldname: 'unfinished', newdirfid: 0, newname }
      await replied(to.call.renameat(names))
      confirmed.named.push(newname)
    }
  }

  await Promise.all([...Array.from({ length: FILES }, (_, file) => grow(file)), name()])
}

function nothingConfirmed(): Confirmed {
  const none = (): number[] => Array.from({ length: FILES }, () => 0)
  return { replies: 0, written: none(), synced: none(), named: [] }
}

async function readAll(from: Client, fid: number, name: string): Promise<Buffer> {
  await from.call.walk({ fid: 0, newfid: fid, names: [name] })
  await from.call.lopen({ fid, flags: flags.open.RDONLY })
  const parts: Buffer[] = []
  for (let offset = 0; ;) {
    const { data } = await from.call.read({ fid, offset, count: 65536 })
    if (data.length === 0) break
    parts.push(Buffer.from(payloadBytes(data)))
    offset += data.length
  }
  await from.call.clunk({ fid })
  return Buffer.concat(parts)
}

describe('a server that is killed while it writes', () => {
  it.each([10, 25, 60, 150, 400])('after %i replies', async (moment) => {
    const confirmed = nothingConfirmed()
    await using first = await serving()
    const writer = await client()
    const work = workload(writer, confirmed, () => {
      if (confirmed.replies === moment) first.child.kill('SIGKILL')
    })
    await expect(work).rejects.toThrow(/closed|EPIPE|ECONNRESET/)
    expect((await first.ended).status).toBe(128 + 9)
    expect(confirmed.replies).toBeGreaterThanOrEqual(moment)

    // The files have all confirmed bytes, and no bytes that were not sent.
    for (let file = 0; file < FILES; file++) {
      const name = join(shared, `growing-${file}`)
      const bytes = existsSync(name) ? readFileSync(name) : Buffer.alloc(0)
      const [synced = 0, written = 0] = [confirmed.synced[file], confirmed.written[file]]
      expect(bytes.length).toBeGreaterThanOrEqual(Math.max(synced, written))
      expect(bytes.equals(content(file, 0, bytes.length))).toBe(true)
    }
    for (const [round, name] of confirmed.named.entries()) {
      expect(readFileSync(join(shared, name)).equals(content(round, 0, BLOCK))).toBe(true)
    }

    // The socket's file is left over. Another server replaces it and goes on.
    expect(existsSync(path)).toBe(true)
    await using second = await serving()
    const reader = await client()
    for (const [fid, name] of readdirSync(shared).entries()) {
      const bytes = await readAll(reader, 1 + fid, name)
      expect([name, bytes.equals(readFileSync(join(shared, name)))]).toEqual([name, true])
    }
    for (const name of readdirSync(shared)) {
      await reader.call.unlinkat({ dirfid: 0, name, flags: 0 })
    }
    const more = nothingConfirmed()
    await workload(reader, more, () => {}, 2)
    expect(more.synced).toEqual(more.synced.map(() => 2 * BATCH * BLOCK))
    expect(more.named).toEqual(['named-0', 'named-1'])
    reader.close()
    second.child.kill('SIGTERM')
    expect((await second.ended).status).toBe(0)
    expect(existsSync(path)).toBe(false)
  })
})
