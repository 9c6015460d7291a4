import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../src/9p/client.ts'
import type { Entry } from '../../src/fuse/wire/kinds.ts'
import { errno } from '../../src/sys/errno.ts'
import { payloadBytes } from '../../src/9p/index.ts'
import { openFlags } from '../../src/tree/flags.ts'
import { type DirectoryServer, serveDirectory } from '../support/directory-server.ts'
import { serveFuse } from '../support/fuse/fuse-server.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

const program = fileURLToPath(new URL('../support/lease-holder.mjs', import.meta.url))

/** Tsetattr's bit for the size. */
const SIZE = 0x8

let directory: string
let file: string

beforeEach(() => {
  directory = temporaryDirectory()
  file = join(directory, 'file')
  writeFileSync(file, 'hello')
  writeFileSync(join(directory, 'other'), 'other')
})

/** A program with a lease on the file, see lease-holder.mjs. */
class LeaseHolder {
  readonly #child: ChildProcess
  readonly asked: Promise<unknown>

  private constructor(child: ChildProcess, asked: Promise<unknown>) {
    this.#child = child
    this.asked = asked
  }

  static async start(): Promise<LeaseHolder> {
    const child = spawn(process.execPath, [program, file], { stdio: ['pipe', 'pipe', 'inherit'] })
    afterwards(() => child.kill('SIGKILL'))
    const lines = createInterface({ input: child.stdout })
    const [line] = (await once(lines, 'line')) as [string]
    if (line !== 'leased') throw new Error(`the holder of the lease says: ${line}`)
    return new LeaseHolder(child, once(lines, 'line'))
  }

  async giveUp(): Promise<void> {
    this.#child.stdin?.end()
    await once(this.#child, 'exit')
  }
}

/** A client that holds the file by its fid 1. */
async function clientOf(server: DirectoryServer): Promise<Client> {
  const client = await server.client()
  await client.call.walk({ fid: 0, newfid: 1, names: ['file'] })
  return client
}

async function readOther(client: Client): Promise<string> {
  await client.call.walk({ fid: 0, newfid: 2, names: ['other'] })
  await client.call.lopen({ fid: 2, flags: 0 })
  const { data } = await client.call.read({ fid: 2, offset: 0, count: 100 })
  await client.call.clunk({ fid: 2 })
  return payloadBytes(data).toString()
}

describe('another program’s lease on a file', () => {
  const size = 2
  const setattr = { valid: SIZE, mode: 0, uid: 0, gid: 0, size }
  const times = { atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0 }

  it.each([
    ['open', (client: Client) => client.call.lopen({ fid: 1, flags: openFlags.RDONLY })],
    ['open for writing', (client: Client) => client.call.lopen({ fid: 1, flags: openFlags.RDWR })],
    ['truncation', (client: Client) => client.call.setattr({ fid: 1, ...setattr, ...times })],
    [
      'creation',
      (client: Client) =>
        client.call.lcreate({ fid: 0, name: 'file', flags: openFlags.RDWR, mode: 0o644, gid: 0 }),
    ],
  ])('keeps its %s waiting, and no other request', async (_case, act) => {
    await using server = await serveDirectory(directory)
    const [client, second] = [await clientOf(server), await server.client()]
    const holder = await LeaseHolder.start()
    const order: string[] = []
    const waits = act(client).then(() => order.push('leased file'))
    await holder.asked
    expect(await readOther(second)).toBe('other')
    order.push('other file')
    await holder.giveUp()
    await waits
    expect(order).toEqual(['other file', 'leased file'])
    for (const each of [client, second]) each.close()
  })

  it('does not keep a file open that is flushed, nor one of a client that is gone', async () => {
    await using server = await serveDirectory(directory)
    const [client, second] = [await clientOf(server), await clientOf(server)]
    const before = server.descriptors()
    const holder = await LeaseHolder.start()
    const { tag, reply } = client.send('lopen', { fid: 1, flags: openFlags.RDWR })
    const gone = reply.catch(() => 'flushed')
    second.call.lopen({ fid: 1, flags: openFlags.RDWR }).catch(() => {})
    await holder.asked
    await client.call.flush({ oldtag: tag })
    client.forget(tag)
    expect(await gone).toBe('flushed')
    second.close()
    await holder.giveUp()
    // It is not open: it can be opened.
    await client.call.lopen({ fid: 1, flags: openFlags.RDONLY })
    await client.call.clunk({ fid: 1 })
    await vi.waitFor(() => expect(server.descriptors()).toBeLessThanOrEqual(before))
    client.close()
  })

  it('is an error where the client does not want to wait', async () => {
    await using server = await serveDirectory(directory)
    const client = await clientOf(server)
    const holder = await LeaseHolder.start()
    const opening = client.call.lopen({ fid: 1, flags: openFlags.RDWR | openFlags.NONBLOCK })
    await expect(opening).rejects.toMatchObject({ errno: errno.EAGAIN })
    await holder.giveUp()
    expect(readFileSync(file, 'utf8')).toBe('hello')
    client.close()
  })
})

describe('another program’s lease on a file of a guest with virtio-fs', () => {
  it.each([
    ['open', false],
    ['read, which opens it without asking', true],
  ])('keeps its %s waiting, and no other request', async (_case, readOnly) => {
    const policy = { caching: 'loose', remoteLocks: false } as const
    await using server = await serveFuse(directory, policy, { readOnly })
    const client = await server.fuse()
    const [{ entry }, { entry: other }] = await Promise.all([
      client.call.lookup({ name: 'file' }),
      client.call.lookup({ name: 'other' }),
    ])
    const read = async ({ nodeid }: Entry): Promise<string> => {
      const fh = readOnly ? 0 : (await client.call.open({}, { nodeid })).fh
      return payloadBytes((await client.call.read({ fh, size: 100 }, { nodeid })).data).toString()
    }
    const holder = await LeaseHolder.start()
    const order: string[] = []
    const waits = read(entry).then((text) => order.push(text))
    await holder.asked
    order.push(await read(other))
    await holder.giveUp()
    await waits
    expect(order).toEqual(['other', 'hello'])
    client.close()
  })
})

it('an open file has the flags that were asked for, and does not refuse to wait for a disk', async () => {
  await using server = await serveDirectory(directory)
  const client = await clientOf(server)
  await client.call.lopen({ fid: 1, flags: openFlags.WRONLY | openFlags.APPEND })
  const open = `/proc/${server.engine.pid}/fd`
  const flags = readdirSync(open)
    .filter((fd) => readlinkSync(join(open, fd)) === file)
    .map((fd) => readFileSync(`/proc/${server.engine.pid}/fdinfo/${fd}`, 'latin1'))
    .map((info) => Number.parseInt(/^flags:\s*(\d+)$/m.exec(info)?.[1] ?? '', 8))
    .filter((each) => (each & constants.O_WRONLY) !== 0)
  expect(flags).toHaveLength(1)
  expect((flags[0] ?? 0) & constants.O_APPEND).not.toBe(0)
  expect((flags[0] ?? 0) & constants.O_NONBLOCK).toBe(0)
  client.close()
})
