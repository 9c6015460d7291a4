import { text } from 'node:stream/consumers'
import { PassThrough, Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Client } from '../../../src/9p/client.ts'
import type { Control, GuestCommand } from '../../../src/machine/control/control.ts'
import { open } from '../../../src/9p/wire/flags.ts'
import { heapMemory, payloadBytes } from '../../../src/sys/memory.ts'
import { ControlClient } from '../../support/control-client.ts'

let control: Control
let client: Client
/** What the agent does with a file. */
let openFile: ControlClient['open']

beforeEach(async () => {
  const guest = await ControlClient.connect(65_536)
  ;({ control, client } = guest)
  openFile = (...how) => guest.open(...how)
})

afterEach(() => client.close())

/** The guest's end of a slot: what its carriers hold open. */
interface GuestSlot {
  readonly id: string
  readonly token: string
  readonly stdout: number
  readonly stderr: number
}

/** What the agent does for the id of a slot that it was told. */
async function startSlot(): Promise<GuestSlot> {
  const id = /^echo (\d+)$/m.exec(await readAll(8191, 'next'))?.[1] ?? ''
  return {
    id,
    token: (await readAll(100, 'slots', id, 'token')).trim(),
    stdout: await openFile(open.WRONLY, 'slots', id, 'stdout'),
    stderr: await openFile(open.WRONLY, 'slots', id, 'stderr'),
  }
}

/** The script that a slot's shell waits for, without what is around every one. */
async function nextCommand({ id }: GuestSlot): Promise<string> {
  return (await readAll(8191, 'slots', id, 'script')).replace(/\nexit\n+$/, '')
}

/** What a slot says when its command has ended. */
async function end(slot: GuestSlot, status: number, left = ''): Promise<void> {
  for (const fid of [slot.stdout, slot.stderr])
    await write(fid, `${slot.token} ${status} ${left}\n`)
}

async function close(slot: GuestSlot): Promise<void> {
  for (const fid of [slot.stdout, slot.stderr]) await client.call.clunk({ fid })
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
  it('is waited for, and the agent counts as ready when it asks for one', async () => {
    expect(await waits(control.ready)).toBe(true)
    expect(await readAll(8191, 'next')).toBe(padded('echo 1\n'))
    await control.ready
    const next = readAll(8191, 'next')
    expect(await waits(next)).toBe(true)
    control.send('echo one\n')
    expect(await next).toBe(padded('echo one\n'))
  })

  it('may be longer than a read, and the ones behind it wait their turn', async () => {
    await readAll(8191, 'next')
    const long = `: ${'x'.repeat(50_000)}\n`
    control.send(long)
    control.send('second\n')
    expect((await readAll(8191, 'next')).trimEnd()).toBe(long.trimEnd())
    expect((await readAll(1 << 16, 'next')).trimEnd()).toBe('second')
  })

  it('is not lost to an agent that gave up waiting', async () => {
    await readAll(8191, 'next')
    const fid = await openFile(open.RDONLY, 'next')
    const { tag, reply } = client.send('read', { fid, offset: 0, count: 1024 })
    await turn()
    await client.call.flush({ oldtag: tag })
    client.forget(tag)
    await reply.catch(() => {})
    control.send('kept\n')
    expect((await readAll(1024, 'next')).trimEnd()).toBe('kept')
  })
})

/** Linux's client asks again for what is missing, before its caller gets anything. */
function padded(script: string): string {
  return script.padEnd(8191, '\n')
}

describe('a question to the agent', () => {
  /** What the agent does with the next script: opens the file that takes the answer. */
  async function openAnswer(): Promise<number> {
    const id = /answers\/(\d+)/.exec(await readAll(8191, 'next'))?.[1] ?? ''
    return openFile(open.WRONLY, 'answers', id)
  }

  it('is answered with all that its script prints', async () => {
    await readAll(8191, 'next')
    const answer = control.ask('echo one')
    const fid = await openAnswer()
    await write(fid, 'one\n')
    await write(fid, Buffer.from([0, 255]))
    expect(await waits(answer)).toBe(true)
    await write(fid, '\n')
    await client.call.clunk({ fid })
    expect(await answer).toEqual(Buffer.from([0x6f, 0x6e, 0x65, 0x0a, 0, 255]))
  })

  it('fails when its script does, or when the machine ends', async () => {
    await readAll(8191, 'next')
    const answer = control.ask('echo one; false')
    const fid = await openAnswer()
    await write(fid, 'one')
    await client.call.clunk({ fid })
    await expect(answer).rejects.toThrow('could not run `echo one; false`')
    const other = control.ask('true')
    control.end(new Error('gone'))
    await expect(other).rejects.toThrow('gone')
    await expect(control.ask('true')).rejects.toThrow('gone')
  })
})

describe('a command', () => {
  let stdin: PassThrough
  let command: GuestCommand
  let slot: GuestSlot

  beforeEach(async () => {
    stdin = new PassThrough()
    command = control.run(`echo "it's"`, stdin)
    slot = await startSlot()
  })

  it('is given to the first slot whose shell waits for one', async () => {
    expect(await nextCommand(slot)).toBe(`exec 9<&-; echo "it's"`)
  })

  it('reads from /dev/null without an input, and leaves the carrier of that waiting', async () => {
    await nextCommand(slot)
    const other = control.run('true', null)
    const second = await startSlot()
    expect(await nextCommand(second)).toBe('exec 9<&- </dev/null; true')
    const input = openFile(open.RDONLY, 'slots', second.id, 'stdin').then((fid) => read(fid, 0, 9))
    await end(second, 0)
    expect(await other.exitStatus).toBe(0)
    expect(await waits(input)).toBe(true)
    await close(second)
    await expect(input).rejects.toMatchObject({ code: 'ENODATA' })
  })

  it('gets its input as it comes, an open for each piece', async () => {
    await nextCommand(slot)
    const first = readAll(100, 'slots', slot.id, 'stdin')
    expect(await waits(first)).toBe(true)
    stdin.write('one')
    expect(await first).toBe('one')
    stdin.write('two')
    expect(await readAll(2, 'slots', slot.id, 'stdin')).toBe('two')
    const last = readAll(100, 'slots', slot.id, 'stdin')
    stdin.end()
    await expect(last).rejects.toMatchObject({ code: 'ENODATA' })
  })

  it('gets all of an input that comes as one object, in pieces of what it asks for', async () => {
    await nextCommand(slot)
    control.run('cat', Readable.from([Buffer.from('a whole ob'), 'ject']))
    const second = await startSlot()
    await nextCommand(second)
    let all = ''
    while (all.length < 14) all += await readAll(4, 'slots', second.id, 'stdin')
    expect(all).toBe('a whole object')
  })

  it('gets input that was there before its first read', async () => {
    stdin.write('early')
    await nextCommand(slot)
    expect(await readAll(100, 'slots', slot.id, 'stdin')).toBe('early')
    const more = readAll(100, 'slots', slot.id, 'stdin')
    expect(await waits(more)).toBe(true)
    stdin.write('late')
    expect(await more).toBe('late')
  })

  it('has two streams of output and a status, which come in any order', async () => {
    await nextCommand(slot)
    await write(slot.stdout, 'to stdout')
    await write(slot.stderr, `to stderr${slot.token} 7 \n`)
    expect(await waits(command.exitStatus)).toBe(true)
    await write(slot.stdout, `${slot.token} 7 \n`)
    expect(await text(command.stdout)).toBe('to stdout')
    expect(await text(command.stderr)).toBe('to stderr')
    expect(await command.exitStatus).toBe(7)
  })

  it('counts as killed when its slot closes without the end of its output', async () => {
    await nextCommand(slot)
    await write(slot.stdout, 'so far')
    await close(slot)
    expect(await text(command.stdout)).toBe('so far')
    expect(await command.exitStatus).toBe(137)
  })

  it('waits while the host does not read its output', async () => {
    await nextCommand(slot)
    const fid = slot.stdout
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

  it('may write output that the host has given up', async () => {
    await nextCommand(slot)
    command.stdout.destroy()
    expect(await write(slot.stdout, 'x'.repeat(50_000))).toBe(50_000)
    await end(slot, 0)
    expect(await command.exitStatus).toBe(0)
  })

  it('fails when the machine ends first, and so do those that come after', async () => {
    await nextCommand(slot)
    control.end(new Error('the machine is gone'))
    await expect(command.exitStatus).rejects.toThrow('the machine is gone')
    await expect(control.run('true', null).exitStatus).rejects.toThrow('the machine is gone')
  })

  it('does not end with the connection: the machine’s end will give the reason', async () => {
    await nextCommand(slot)
    client.close()
    expect(await waits(command.exitStatus)).toBe(true)
    control.end(new Error('the machine is gone'))
    await expect(command.exitStatus).rejects.toThrow('the machine is gone')
  })

  it('is ended by its group, and its slot with it', async () => {
    await nextCommand(slot)
    await readAll(8191, 'next')
    command.kill()
    const script = `echo 1 >/cgroup/lowerdir/${slot.id}/cgroup.kill`
    expect((await readAll(8191, 'next')).trimEnd()).toBe(script)
    await expect(readAll(1, 'slots', slot.id, 'again')).rejects.toThrow('again is not there')
    await close(slot)
    expect(await command.exitStatus).toBe(137)
    await expect(readAll(1, 'slots', slot.id, 'token')).rejects.toThrow('is not there')
  })

  it('can be cancelled before it has a slot', async () => {
    command.kill()
    expect(await command.exitStatus).toBe(137)
    expect(await waits(nextCommand(slot))).toBe(true)
  })

  it('is not killed once it is over', async () => {
    await nextCommand(slot)
    await readAll(8191, 'next')
    await end(slot, 0)
    command.kill()
    expect(await waits(readAll(8191, 'next'))).toBe(true)
  })
})

describe('a slot', () => {
  it('runs one command after the other', async () => {
    const slot = await startSlot()
    for (const status of [0, 3]) {
      const script = nextCommand(slot)
      expect(await waits(script)).toBe(true)
      const { stdout, stderr, exitStatus } = control.run(`exit ${status}`, null)
      expect(await script).toContain(`exit ${status}`)
      await write(slot.stdout, `output of ${status}`)
      await end(slot, status)
      expect(await Promise.all([text(stdout), text(stderr), exitStatus])).toEqual([
        `output of ${status}`,
        '',
        status,
      ])
    }
  })

  it('ends with a command that has left processes running, and their further output is dropped', async () => {
    const slot = await startSlot()
    const script = nextCommand(slot)
    const first = control.run('sleep 1000 &', null)
    await script
    await end(slot, 0, '4711')
    expect(await first.exitStatus).toBe(0)
    expect(await write(slot.stdout, 'later')).toBe(5)
    expect(await text(first.stdout)).toBe('')
    const second = control.run('true', null)
    const other = await startSlot()
    expect(other.id).not.toBe(slot.id)
    expect(await nextCommand(other)).toContain('true')
    await end(other, 0)
    expect(await second.exitStatus).toBe(0)
  })

  it('is started before a command needs it, and not earlier', async () => {
    const slot = await startSlot()
    const more = readAll(8191, 'next')
    const script = nextCommand(slot)
    expect(await waits(more)).toBe(true)
    control.run('sleep 1000', null)
    await script
    expect((await more).trimEnd()).toBe('echo 2')
  })
})

it('keeps commands apart', async () => {
  const commands = Array.from({ length: 10 }, (_, i) => control.run(`echo ${i}`, null))
  for (const i of commands.keys()) {
    const slot = await startSlot()
    expect(await nextCommand(slot)).toContain(`echo ${i}`)
    await write(slot.stdout, `output of ${i}`)
    await end(slot, i)
  }
  for (const [i, { stdout, exitStatus }] of commands.entries()) {
    expect([await text(stdout), await exitStatus]).toEqual([`output of ${i}`, i])
  }
})
