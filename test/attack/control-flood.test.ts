import { once } from 'node:events'
import { type Socket, connect as connectSocket, createServer } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Client } from '../../src/9p/client.ts'
import { open } from '../../src/9p/wire/flags.ts'
import type { Control, GuestCommand } from '../../src/machine/control/control.ts'
import { payloadBytes } from '../../src/sys/memory.ts'
import { ControlClient } from '../support/control-client.ts'
import { memoryOf } from '../support/frames.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

let control: Control
let client: Client
let openFile: ControlClient['open']

beforeEach(() => connect(1 << 17))

/** A guest connects to a control channel of its own. */
async function connect(msize: number): Promise<void> {
  const guest = await ControlClient.connect(msize, 1 << 24)
  ;({ control, client } = guest)
  openFile = (...how) => guest.open(...how)
}

afterEach(() => client.close())

function write(fid: number, bytes: Uint8Array): ReturnType<Client['send']> {
  const data = { memory: memoryOf(bytes), offset: 0, length: bytes.length }
  return client.send('write', { fid, offset: 0, data })
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: string }).code)
}

/** The scripts for the agent, until it would have to wait for the next one. */
async function scripts(): Promise<string[]> {
  const all: string[] = []
  for (;;) {
    const fid = await openFile(open.RDONLY, 'next')
    const { tag, reply } = client.send('read', { fid, offset: 0, count: 8191 })
    const got = reply.then((answer) => answer as { data: Parameters<typeof payloadBytes>[0] })
    got.catch(() => {})
    for (let i = 0; i < 20; i++) await turn()
    await client.call.flush({ oldtag: tag })
    client.forget(tag)
    const said = await Promise.race([got, Promise.resolve(undefined)])
    if (said === undefined) return all
    all.push(payloadBytes(said.data).toString().trim())
    await client.call.clunk({ fid })
  }
}

describe('the output of a command that the host does not read', () => {
  const piece = Buffer.alloc(64 << 10, 'x')
  let command: GuestCommand
  let stdout: number

  beforeEach(async () => {
    command = control.run('cat /dev/zero', new PassThrough())
    stdout = await openFile(open.WRONLY, 'slots', '1', 'stdout')
    const script = await openFile(open.RDONLY, 'slots', '1', 'script')
    await client.call.read({ fid: script, offset: 0, count: 8191 })
  })

  it('is not kept where a write is refused, however many are sent at once', async () => {
    const refused: string[] = []
    for (let i = 0; i < 1500; i++) {
      write(stdout, piece).reply.catch((error: unknown) => refused.push(codeOf(error)))
    }
    // What is refused is answered before what is asked later.
    await client.call.statfs({ fid: 0 })
    expect(command.stdout.readableLength).toBeLessThan(1 << 20)
    expect(refused.length).toBeGreaterThan(1400)
    expect(new Set(refused)).toEqual(new Set(['EAGAIN']))
  })

  it('is not kept where the guest gives its writes up', async () => {
    for (let i = 0; i < 200; i++) {
      const { tag, reply } = write(stdout, piece)
      reply.catch(() => {})
      await client.call.flush({ oldtag: tag })
      client.forget(tag)
    }
    expect(command.stdout.readableLength).toBeLessThan(1 << 20)
  })

  it('arrives whole and in order when the host reads on', async () => {
    const pieces = Array.from({ length: 40 }, (_, i) => Buffer.alloc(64 << 10, i))
    const sending = (async () => {
      for (const each of pieces) await write(stdout, each).reply
      await client.call.clunk({ fid: stdout })
    })()
    while (command.stdout.readableLength < piece.length) await turn()
    const chunks: Buffer[] = []
    for await (const chunk of command.stdout) chunks.push(chunk as Buffer)
    await sending
    expect(Buffer.concat(chunks).equals(Buffer.concat(pieces))).toBe(true)
  })
})

describe('an answer of the agent', () => {
  it('is refused beyond its limit, and the question fails', async () => {
    const answer = control.ask('cat /dev/zero')
    answer.catch(() => {})
    const fid = await openFile(open.WRONLY, 'answers', '2')
    const piece = Buffer.alloc(1 << 16, 'x')
    const writing = (async () => {
      for (let i = 0; i <= 1024; i++) await write(fid, piece).reply
    })()
    await expect(writing).rejects.toMatchObject({ code: 'EFBIG' })
    await expect(answer).rejects.toThrow(/cat \/dev\/zero.*67108864 bytes/)
  })

  it('that is over takes nothing more, through whichever open', async () => {
    const answer = control.ask('true')
    const fids = [
      await openFile(open.WRONLY, 'answers', '2'),
      await openFile(open.WRONLY, 'answers', '2'),
    ]
    await write(fids[0] ?? 0, Buffer.from('\n')).reply
    await client.call.clunk({ fid: fids[0] ?? 0 })
    expect(await answer).toEqual(Buffer.alloc(0))
    await expect(write(fids[1] ?? 0, Buffer.from('more')).reply).rejects.toMatchObject({
      code: 'EBADF',
    })
  })
})

describe('slots', () => {
  it('that the guest closes without reading their scripts leave no scripts behind', async () => {
    for (let id = 1; id <= 100; id++) {
      const fids = []
      for (const name of ['stdout', 'stderr'])
        fids.push(await openFile(open.WRONLY, 'slots', String(id), name))
      for (const fid of fids) await client.call.clunk({ fid })
    }
    expect(await scripts()).toEqual(['echo 101'])
  })
})

describe('the files that the guest holds on to', () => {
  it('are limited', async () => {
    client.close()
    await connect(4096)
    const outcomes: string[] = []
    while (outcomes.length < 20_000) {
      const walks = Array.from({ length: 200 }, (_, i) => {
        const newfid = 1000 + outcomes.length + i
        return client.call.walk({ fid: 0, newfid, names: [] }).then(() => 'a fid', codeOf)
      })
      outcomes.push(...(await Promise.all(walks)))
    }
    expect(outcomes.indexOf('ENFILE')).toBeGreaterThan(10_000)
    expect(outcomes.at(-1)).toBe('ENFILE')
  })
})

describe('what arrives while the answers are held, for a snapshot', () => {
  it('is taken up to a limit, and the snapshot is refused then', async () => {
    const path = join(temporaryDirectory(), 'socket')
    const server = createServer().listen(path)
    await once(server, 'listening')
    const guest = connectSocket(path)
    const [host] = (await once(server, 'connection')) as [Socket]
    afterwards(() => {
      guest.destroy()
      host.destroy()
      server.close()
    })
    void control.serve(host, () => {})
    control.goOn()
    await control.hold()
    const all = 80
    for (let i = 0; i < all; i++) guest.write(Buffer.alloc(1 << 20))
    while (!host.isPaused() && host.bytesRead < all << 20) await turn()
    expect(host.bytesRead).toBeLessThan(72 << 20)
    await expect(control.save()).rejects.toThrow('67108864 bytes while its answers were held')
  })
})
