import { text } from 'node:stream/consumers'
import { PassThrough, duplexPair } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Client } from '../../src/client/client.ts'
import { Control, type GuestCommand } from '../../src/machine/control.ts'
import { open } from '../../src/protocol/flags.ts'
import { NOFID } from '../../src/protocol/limits.ts'
import { heapMemory, payloadBytes } from '../../src/protocol/memory.ts'
import { serveDuplex } from '../../src/transport/stream/duplex.ts'

let control: Control
let client: Client
let lastFid: number

beforeEach(async () => {
  control = new Control()
  const [ours, theirs] = duplexPair()
  void serveDuplex(control.tree, theirs)
  client = await Client.connect(ours, 65_536)
  lastFid = 0
  await client.call.attach({ fid: 0, afid: NOFID, uname: '', aname: '', uid: 0 })
})

afterEach(() => client.close())

/** What the agent does with a file: walk and open. */
async function openFile(flags: number, ...names: string[]): Promise<number> {
  const fid = ++lastFid
  const { qids } = await client.call.walk({ fid: 0, newfid: fid, names })
  if (qids.length < names.length) throw new Error(`${names.join('/')} is not there`)
  await client.call.lopen({ fid, flags })
  return fid
}

async function read(fid: number, offset: number, count: number): Promise<string> {
  return payloadBytes((await client.call.read({ fid, offset, count })).data).toString()
}

/** One open, read to its end in pieces of `count`, as a guest's shell and dd do. */
async function readAll(count: number, ...names: string[]): Promise<string> {
  const fid = await openFile(open.RDONLY, ...names)
  let all = ''
  for (;;) {
    const piece = await read(fid, all.length, count)
    if (piece === '') break
    all += piece
  }
  await client.call.clunk({ fid })
  return all
}

async function write(fid: number, content: string | Uint8Array): Promise<number> {
  const bytes = Buffer.from(content)
  const memory = heapMemory(bytes.length)
  memory.bytes.set(bytes)
  const data = { memory, offset: 0, length: bytes.length }
  return (await client.call.write({ fid, offset: 0, data })).count
}

/** Whether a promise is still waiting after everything else had its turn. */
async function waits(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = (): void => void (settled = true)
  promise.then(settle, settle)
  for (let i = 0; i < 20; i++) await turn()
  return !settled
}

describe('the next script', () => {
  it('is waited for, and whoever asks is known to be ready', async () => {
    expect(await waits(control.ready)).toBe(true)
    const next = readAll(1024, 'next')
    expect(await waits(next)).toBe(true)
    await control.ready
    control.send('echo one\n')
    expect(await next).toBe('echo one\n')
  })

  it('may be longer than a read, and the ones behind it wait their turn', async () => {
    const long = `: ${'x'.repeat(5000)}\n`
    control.send(long)
    control.send('second\n')
    expect(await readAll(1023, 'next')).toBe(long)
    expect(await readAll(1023, 'next')).toBe('second\n')
  })

  it('is not lost to an agent that gave up waiting', async () => {
    const fid = await openFile(open.RDONLY, 'next')
    const { tag, reply } = client.send('read', { fid, offset: 0, count: 1024 })
    await turn()
    await client.call.flush({ oldtag: tag })
    client.forget(tag)
    await reply.catch(() => {})
    control.send('kept\n')
    expect(await readAll(1024, 'next')).toBe('kept\n')
  })
})

describe('a command', () => {
  let stdin: PassThrough
  let command: GuestCommand

  beforeEach(() => {
    stdin = new PassThrough()
    command = control.run(`echo "it's"`, stdin)
  })

  it('is announced by its id, and its directory says what to do', async () => {
    expect(await readAll(1024, 'next')).toBe('echo 1\n')
    expect(await readAll(7, 'commands', '1', 'start')).toBe(`run 'echo "it'\\''s"'`)
  })

  it('gets its input as it comes, an open for each piece', async () => {
    const first = readAll(100, 'commands', '1', 'stdin')
    expect(await waits(first)).toBe(true)
    stdin.write('one')
    expect(await first).toBe('one')
    stdin.write('two')
    expect(await readAll(2, 'commands', '1', 'stdin')).toBe('two')
    const last = readAll(100, 'commands', '1', 'stdin')
    stdin.end()
    await expect(last).rejects.toMatchObject({ code: 'ENODATA' })
  })

  it('gets input that was there before it asked', async () => {
    stdin.write('early')
    await turn()
    expect(await readAll(100, 'commands', '1', 'stdin')).toBe('early')
    const more = readAll(100, 'commands', '1', 'stdin')
    expect(await waits(more)).toBe(true)
    stdin.write('late')
    expect(await more).toBe('late')
  })

  it('has two streams of output and a status', async () => {
    const out = await openFile(open.WRONLY, 'commands', '1', 'stdout')
    const errors = await openFile(open.WRONLY, 'commands', '1', 'stderr')
    const status = await openFile(open.WRONLY, 'commands', '1', 'status')
    await write(out, 'to stdout')
    await write(errors, 'to stderr')
    await write(status, '7\n')
    for (const fid of [out, errors, status]) await client.call.clunk({ fid })
    expect(await text(command.stdout)).toBe('to stdout')
    expect(await text(command.stderr)).toBe('to stderr')
    expect(await command.exitStatus).toBe(7)
  })

  it('waits when nobody reads what it writes', async () => {
    const fid = await openFile(open.WRONLY, 'commands', '1', 'stdout')
    const piece = Buffer.alloc(60_000, 'x')
    let written = 0
    let write1 = write(fid, piece)
    while (!(await waits(write1))) {
      written += await write1
      write1 = write(fid, piece)
      expect(written).toBeLessThan(4_000_000)
    }
    let received = 0
    command.stdout.on('data', (chunk: Buffer) => (received += chunk.length))
    expect(await write1).toBe(piece.length)
    await client.call.clunk({ fid })
    await new Promise((resolve) => command.stdout.once('end', resolve))
    expect(received).toBe(written + piece.length)
  })

  it('gets EPIPE when nobody will ever read', async () => {
    const fid = await openFile(open.WRONLY, 'commands', '1', 'stdout')
    command.stdout.destroy()
    await expect(write(fid, 'x')).rejects.toMatchObject({ code: 'EPIPE' })
  })

  it('cannot end with something that is no status', async () => {
    const fid = await openFile(open.WRONLY, 'commands', '1', 'status')
    await expect(write(fid, 'nonsense\n')).rejects.toMatchObject({ code: 'EINVAL' })
    expect(await waits(command.exitStatus)).toBe(true)
  })

  it('fails when the machine ends first, and so do those that come after', async () => {
    control.end(new Error('the machine is gone'))
    await expect(command.exitStatus).rejects.toThrow('the machine is gone')
    await expect(control.run('true', null).exitStatus).rejects.toThrow('the machine is gone')
  })
})

it('keeps commands apart', async () => {
  const commands = Array.from({ length: 10 }, (_, i) => control.run(`echo ${i}`, null))
  for (const [i] of commands.entries()) {
    const id = String(i + 1)
    const fid = await openFile(open.WRONLY, 'commands', id, 'stdout')
    await write(fid, `output of ${i}`)
    await client.call.clunk({ fid })
    await write(await openFile(open.WRONLY, 'commands', id, 'status'), `${i}`)
  }
  for (const [i, { stdout, exitStatus }] of commands.entries()) {
    expect([await text(stdout), await exitStatus]).toEqual([`output of ${i}`, i])
  }
})
