import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { beforeEach, describe, expect, it } from 'vitest'
import { Client } from '../../../src/9p/client.ts'
import { Control, type SavedControl } from '../../../src/machine/control/control.ts'
import { open } from '../../../src/9p/wire/flags.ts'
import { NOFID } from '../../../src/9p/wire/limits.ts'
import { payloadBytes } from '../../../src/sys/memory.ts'
import { memoryOf } from '../../support/frames.ts'
import { MachineLike } from '../../support/machine-like.ts'
import { afterwards, temporaryDirectory } from '../../support/temporary.ts'

let path: string
let machine: MachineLike
let client: Client
let lastFid: number

beforeEach(() => {
  path = join(temporaryDirectory(), 'socket')
  machine = new MachineLike()
  afterwards(() => machine[Symbol.dispose]())
  lastFid = 0
})

/** The guest's socket leads to `control` from now on. */
async function connectTo(control: Control): Promise<void> {
  const server = createServer((socket: Socket) => {
    server.close()
    afterwards(() => socket.destroy())
    void control.serve(socket, () => {})
  })
  server.listen(path)
  await machine.connectTo(path)
}

async function booted(): Promise<Control> {
  const control = new Control()
  await connectTo(control)
  client = await Client.connect(machine.guest, 65_536)
  await client.call.attach({ fid: 0, afid: NOFID, uname: '', aname: '', uid: 0 })
  return control
}

/** The machine goes on with another channel, which the first one knows nothing of. */
async function moved(control: Control): Promise<Control> {
  await control.hold()
  await machine.stop()
  const saved = JSON.parse(JSON.stringify(await control.save())) as SavedControl
  const next = new Control(saved)
  await connectTo(next)
  next.goOn()
  machine.cont()
  return next
}

async function openFile(flags: number, ...names: string[]): Promise<number> {
  const fid = ++lastFid
  await client.call.walk({ fid: 0, newfid: fid, names })
  await client.call.lopen({ fid, flags })
  return fid
}

async function read(fid: number): Promise<string> {
  return payloadBytes((await client.call.read({ fid, offset: 0, count: 8191 })).data).toString()
}

async function write(fid: number, said: string): Promise<void> {
  const data = { memory: memoryOf(Buffer.from(said)), offset: 0, length: said.length }
  expect(await client.call.write({ fid, offset: 0, data })).toEqual({ count: said.length })
}

/** A slot as the agent has it, with its shell waiting for a command. */
async function slot(id: string) {
  const [token, stdout, stderr] = [
    await openFile(open.RDONLY, 'slots', id, 'token'),
    await openFile(open.WRONLY, 'slots', id, 'stdout'),
    await openFile(open.WRONLY, 'slots', id, 'stderr'),
  ]
  const word = (await read(token)).trim()
  const next = async (): Promise<Promise<string>[]> => [
    read(await openFile(open.RDONLY, 'slots', id, 'script')),
  ]
  return { word, stdout, stderr, next }
}

/** Says whether it is resolved by now. */
function settled(promise: Promise<void>): () => boolean {
  let isSettled = false
  void promise.then(() => (isSettled = true))
  return () => isSettled
}

/** The guest is to start one, and that is told the time at once. */
async function expectNewSetter(control: Control): Promise<void> {
  const set = settled(control.clock.set(172_800_999))
  expect(await read(await openFile(open.RDONLY, 'next'))).toMatch(/^echo clock\n/)
  const clock = await openFile(open.RDONLY, 'clock', 'next')
  expect(await read(clock)).toMatch(/^exec date -s @172800 /)
  expect(set()).toBe(false)
  await client.call.clunk({ fid: clock })
  expect(set()).toBe(true)
}

describe('a control channel that goes on elsewhere', () => {
  it('has the slots that its guest has, and commands for them', async () => {
    const first = await booted()
    const { word, stdout, stderr, next } = await slot('1')
    const [script] = await next()
    const second = await moved(first)
    const command = second.run('echo elsewhere', null)
    expect(await script).toContain('echo elsewhere')
    await write(stdout, `elsewhere\n${word} 3 \n`)
    await write(stderr, `${word} 3 \n`)
    expect([await text(command.stdout), await command.exitStatus]).toEqual(['elsewhere\n', 3])
  })

  it('lets a saved command go on, drops its output, and gets its slot back at its end', async () => {
    const first = await booted()
    const { word, stdout, stderr, next } = await slot('1')
    const [script] = await next()
    const command = first.run('long', null)
    expect(await script).toContain('long')
    await write(stdout, 'said before')
    // An end that has been said by half.
    await write(stdout, word.slice(0, 10))
    const second = await moved(first)
    await write(stdout, `${word.slice(10)} 0 \n`)
    await write(stderr, `${word} 0 \n`)
    const [again] = await next()
    const other = second.run('short', null)
    expect(await again).toContain('short')
    await write(stdout, `new\n${word} 0 \n`)
    await write(stderr, `${word} 0 \n`)
    expect([await text(other.stdout), await other.exitStatus]).toEqual(['new\n', 0])
    // The first one does not know that its guest has gone on without it.
    first.end(new Error('gone'))
    await expect(command.exitStatus).rejects.toThrow('gone')
  })

  it('gives a command that was fed no more input', async () => {
    const first = await booted()
    const { next } = await slot('1')
    const stdin = await openFile(open.RDONLY, 'slots', '1', 'stdin')
    const [script] = await next()
    first.run('cat', new PassThrough())
    await script
    const waiting = read(stdin)
    await client.call.getattr({ fid: 0, mask: 1 })
    await moved(first)
    await expect(waiting).rejects.toMatchObject({ code: 'ENODATA' })
  })

  it('gives the agent the scripts that were not read yet, once', async () => {
    const first = await booted()
    expect(await read(await openFile(open.RDONLY, 'next'))).toMatch(/^echo 1\n/)
    first.send('one\n')
    const second = await moved(first)
    second.send('two\n')
    expect(await read(await openFile(open.RDONLY, 'next'))).toMatch(/^one\n/)
    expect(await read(await openFile(open.RDONLY, 'next'))).toMatch(/^two\n/)
  })

  it('sets the clock by a process that has waited since before', async () => {
    const first = await booted()
    expect(await read(await openFile(open.RDONLY, 'next'))).toMatch(/^echo 1\n/)
    const { next } = await slot('1')
    const rested = settled(first.prepareToRest())
    expect(await read(await openFile(open.RDONLY, 'next'))).toMatch(/^echo clock\n/)
    const clock = await openFile(open.RDONLY, 'clock', 'next')
    const script = read(clock)
    await client.call.getattr({ fid: 0, mask: 1 })
    expect(rested()).toBe(false)
    const [command] = await next()
    command?.catch(() => {})
    await client.call.getattr({ fid: 0, mask: 1 })
    expect(rested()).toBe(true)

    const second = await moved(first)
    const set = settled(second.clock.set(86_400_000))
    expect(await script).toMatch(/^exec date -s @86400 /)
    await client.call.getattr({ fid: 0, mask: 1 })
    expect(set()).toBe(false)
    await client.call.clunk({ fid: clock })
    expect(set()).toBe(true)
    await expectNewSetter(second)
  })

  it('has another process set the clock where the first is gone', async () => {
    const first = await booted()
    expect(await read(await openFile(open.RDONLY, 'next'))).toMatch(/^echo 1\n/)
    void first.prepareToRest()
    expect(await read(await openFile(open.RDONLY, 'next'))).toMatch(/^echo clock\n/)
    const clock = await openFile(open.RDONLY, 'clock', 'next')
    // The process is killed, so its read gets no answer.
    read(clock).catch(() => {})
    await client.call.clunk({ fid: clock })
    await expectNewSetter(await moved(first))
  })

  it('cannot be made from that of a guest that has closed it', async () => {
    await expect(async () => new Control().hold()).rejects.toThrow(
      'The guest has closed its control channel.',
    )
  })
})
