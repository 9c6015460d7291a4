import { mkdirSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { flags, limits, ProtocolError } from '../../src/9p/index.ts'
import { heapBytes } from '../../src/session/client-memory.ts'
import { errno } from '../../src/sys/errno.ts'
import { attached, connected } from '../support/directory-server.ts'
import { requestFrame } from '../support/frames.ts'
import { HostProbe } from '../support/host-probe.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'
import { Cli } from '../support/vm-cli.ts'

/** Clients each of which keeps to its limits, and which are too many together. */
const KIB = 1024
const memory = 64 * KIB

let directory: string
let one: HostProbe
let other: HostProbe

beforeEach(() => {
  directory = temporaryDirectory()
  writeFileSync(join(directory, 'file'), 'text')
  one = new HostProbe(directory, {}, undefined, { memory })
  other = new HostProbe(one.tree, {}, undefined, { memory })
})

/** How often the client gets what it asks for, until it is refused. */
function untilRefused(ask: (i: number) => number, refusal: number): number {
  for (let i = 0; ; i++) {
    const answer = ask(i)
    if (answer === 0) continue
    expect(answer).toBe(refusal)
    return i
  }
}

/** As many fids of the root as it gets. */
function fids(probe: HostProbe): number {
  const walk = (i: number): number =>
    probe.errnoOf('walk', { fid: 0, newfid: 10_000 + i, names: [] })
  return untilRefused(walk, errno.ENFILE)
}

/** @param from where in the file no other client has a lock. */
function locks(probe: HostProbe, fid: number, from: number): number {
  const range = { type: flags.lock.WRLCK, length: 1n, procId: 1, clientId: 'g', flags: 0 }
  const lock = (i: number): number =>
    probe.errnoOf('lock', { fid, start: BigInt(from + 2 * i), ...range })
  return untilRefused(lock, errno.ENOLCK)
}

describe('all clients together', () => {
  it('have a limit of fids, which a client that goes gives back', () => {
    const most = memory / heapBytes.fid
    expect(fids(one)).toBe(most - 2)
    expect(fids(other)).toBe(0)
    expect(other.errnoOf('getattr', { fid: 0, mask: 0x7ff })).toBe(0)
    for (let i = 0; i < 10; i++) one.call('clunk', { fid: 10_000 + i })
    expect(fids(other)).toBe(10)
    one.session.close()
    for (let i = 0; i < 10; i++) other.call('clunk', { fid: 10_000 + i })
    expect(fids(other)).toBe(most - 1)
    expect(one.log).toEqual([
      'asks for more when all clients together have reached the limit of memory, which is answered ENFILE',
    ])
  })

  it('have a limit of locks, whichever of them holds them', () => {
    const [mine, theirs] = [one.opened('file', 2), other.opened('file', 2)]
    expect(locks(one, mine, 0)).toBe(Math.floor((memory - 4 * heapBytes.fid) / heapBytes.lock))
    expect(locks(other, theirs, 1_000_000)).toBe(0)
    one.call('clunk', { fid: mine })
    expect(locks(other, theirs, 1_000_000)).toBeGreaterThan(100)
  })

  it('have a limit of values of attributes, small and large', () => {
    const waiting = [one, other].map((probe) => Array.from({ length: 20 }, () => probe.fid('file')))
    const value = (probe: HostProbe, size: number): number => {
      const fid = waiting[probe === one ? 0 : 1]!.pop()!
      return probe.errnoOf('xattrcreate', { fid, name: 'user.x', size: BigInt(size), flags: 0 })
    }
    expect(untilRefused(() => value(one, 10 * KIB), errno.ENOMEM)).toBe(5)
    expect(untilRefused(() => value(other, 0), errno.ENOMEM)).toBeLessThan(20)
    one.session.close()
    expect(value(other, 10 * KIB)).toBe(0)
  })

  it('have a limit of requests that wait for a client that takes no replies', () => {
    one.isBackedUp = true
    const fid = 0
    const read = (probe: HostProbe, tag: number): void =>
      probe.send(tag, 'read', { fid, offset: 0, count: 1 })
    let sent = 0
    const flood = (): void => {
      for (; sent < limits.NOTAG; sent++) read(one, sent)
    }
    expect(flood).toThrow(ProtocolError)
    expect(sent).toBeLessThan(1024 + memory / heapBytes.postponed)
    // Another client may still have as many as clients need.
    other.isBackedUp = true
    for (let tag = 0; tag < 1024; tag++) read(other, tag)
    one.session.close()
    const third = new HostProbe(one.tree)
    expect(fids(third)).toBe(memory / heapBytes.fid - 2)
  })
})

/** Sends so many walks of a new fid, and returns how many got one and how many were refused. */
async function walks(socket: Socket, count: number): Promise<{ granted: number; refused: number }> {
  const answers = { granted: 0, refused: 0 }
  let rest: Buffer = Buffer.alloc(0)
  const done = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      let at = 0
      for (let size; rest.length - at >= 4; at += size) {
        size = rest.readUInt32LE(at)
        if (rest.length - at < size) break
        const type = rest[at + 4]
        if (type === 111) answers.granted++
        else if (type === 7) answers.refused++
      }
      rest = rest.subarray(at)
      if (answers.granted + answers.refused === count) resolve()
    })
    socket.on('close', () => reject(new Error('the server is gone')))
  })
  const attach = { fid: 0, afid: limits.NOFID, uname: '', aname: '', uid: 0 }
  socket.write(requestFrame(limits.NOTAG, 'version', { msize: 8192, version: limits.VERSION }))
  socket.write(requestFrame(0, 'attach', attach))
  const walk = requestFrame(1, 'walk', { fid: 0, newfid: 0, names: [] })
  const EACH = 10_000
  for (let first = 1; first <= count; first += EACH) {
    const frames = Buffer.concat(Array.from({ length: EACH }, () => walk))
    for (let i = 0; i < EACH; i++) frames.writeUInt32LE(first + i, i * walk.length + 11)
    if (!socket.write(frames)) await new Promise((resolve) => socket.once('drain', resolve))
  }
  await done
  return answers
}

it('cannot end a server by holding as many fids as each of them may', async () => {
  mkdirSync(join(directory, 'served'))
  const path = join(directory, 'socket')
  const server = Cli.start(['serve', join(directory, 'served'), '--listen', `unix:${path}`], {
    env: { NODE_OPTIONS: '--max-old-space-size=48' },
  })
  afterwards(() => void server[Symbol.asyncDispose]())
  await server.printed('serving')
  const clients = Array.from({ length: 4 }, () => connect(path))
  afterwards(() => clients.forEach((client) => client.destroy()))
  const answers = await Promise.all(clients.map((client) => walks(client, 150_000)))
  const granted = answers.reduce((sum, each) => sum + each.granted, 0)
  expect(granted).toBeGreaterThan(10_000)
  expect(answers.some(({ refused }) => refused > 0)).toBe(true)
  for (const client of clients) client.destroy()
  const client = await attached(await connected({ kind: 'unix', path }))
  await client.call.walk({ fid: 0, newfid: 1, names: [] })
  client.close()
})
