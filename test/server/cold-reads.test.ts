import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Client } from '../../src/9p/client.ts'
import { payloadBytes } from '../../src/9p/index.ts'
import { defaultLimits } from '../../src/session/session-limits.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { attached, serveDirectory } from '../support/directory-server.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const CHUNK = 512 * 1024
const MSIZE = 1024 * 1024
const CHUNKS = 32
const TMPFS_MAGIC = 0x01021994

let directory: string
let file: string
let bytes: Buffer

beforeEach(() => {
  directory = temporaryDirectory()
  const { type } = statfsSync(directory)
  if (type === TMPFS_MAGIC) throw new Error(`nothing is cold in ${directory}, which is in memory`)
  file = join(directory, 'file')
  bytes = randomBytes(CHUNK * CHUNKS)
  writeFileSync(file, bytes)
  writeFileSync(join(directory, 'warm'), 'warm')
})

/** Takes the file out of the page cache (posix_fadvise(2), which dd asks for). */
function evict(): void {
  const advice = ['count=0', 'conv=notrunc,fdatasync', 'oflag=nocache', 'status=none']
  execFileSync('dd', ['if=/dev/null', `of=${file}`, ...advice])
}

async function opened(client: Client): Promise<void> {
  await client.call.walk({ fid: 0, newfid: 1, names: ['file'] })
  await client.call.lopen({ fid: 1, flags: 0 })
}

async function readAt(client: Client, chunk: number, count = CHUNK): Promise<Buffer> {
  const { data } = await client.call.read({ fid: 1, offset: chunk * CHUNK, count })
  return payloadBytes(data)
}

describe('a read that has to wait for the disk', () => {
  it('is overtaken by requests that need not wait', async () => {
    await using server = await serveDirectory(directory)
    const socket = await server.socket()
    const client = await attached(socket, MSIZE)
    await opened(client)
    let overtaken = 0
    for (let chunk = 0; chunk < CHUNKS; chunk++) {
      evict()
      const order: string[] = []
      // Both arrive at once: the second one does not come when the disk has answered the first.
      socket.cork()
      const both = Promise.all([
        // Without a function between that would delay it: both replies may come at once.
        client.call
          .read({ fid: 1, offset: chunk * CHUNK, count: CHUNK })
          .then(() => order.push('cold')),
        client.call.getattr({ fid: 0, mask: 0x7ff }).then(() => order.push('hot')),
      ])
      socket.uncork()
      await both
      if (order[0] === 'hot') overtaken++
    }
    // The disk of a virtual machine may be its host's memory, and be as fast now and then.
    expect(overtaken).toBeGreaterThan(CHUNKS / 2)
  })

  it('brings the same bytes as any other', async () => {
    await using server = await serveDirectory(directory)
    const client = await server.client(MSIZE)
    await opened(client)
    for (const warm of [false, true]) {
      if (!warm) evict()
      const chunks = Array.from({ length: CHUNKS }, (_, i) => i)
      const found = await Promise.all(chunks.map((chunk) => readAt(client, chunk)))
      expect(Buffer.concat(found).equals(bytes)).toBe(true)
    }
  })

  it('is short at the end of the file only, wherever pages are cached', async () => {
    await using server = await serveDirectory(directory)
    const client = await server.client(MSIZE)
    const sizes = [1, 4095, 4096, 4097, 8192, 3 * 4096 + 17]
    for (const size of sizes) {
      const name = `f${size}`
      writeFileSync(join(directory, name), bytes.subarray(0, size))
      await client.call.walk({ fid: 0, newfid: 2, names: [name] })
      await client.call.lopen({ fid: 2, flags: 0 })
      const { data } = await client.call.read({ fid: 2, offset: 0, count: 65536 })
      expect(payloadBytes(data).equals(bytes.subarray(0, size))).toBe(true)
      const behind = await client.call.read({ fid: 2, offset: size, count: 65536 })
      expect(behind.data.length).toBe(0)
      await client.call.clunk({ fid: 2 })
    }
    // The first page is there, the others are not.
    await opened(client)
    evict()
    await readAt(client, 0, 100)
    expect((await readAt(client, 0)).equals(bytes.subarray(0, CHUNK))).toBe(true)
  })

  it('does not outlive its file, its client or its server', async () => {
    const before = openDescriptors()
    const gone: Promise<unknown>[] = []
    {
      await using server = await serveDirectory(directory)
      const connect = async (): Promise<Client> => {
        const socket = await server.socket()
        gone.push(new Promise((resolve) => socket.once('close', resolve)))
        return attached(socket, MSIZE)
      }
      for (let i = 0; i < 8; i++) {
        const client = await connect()
        await opened(client)
        evict()
        const reads = Array.from({ length: CHUNKS }, (_, chunk) => readAt(client, chunk))
        const clunked = client.call.clunk({ fid: 1 })
        if (i % 2 === 0) await Promise.all([...reads, clunked])
        else client.close()
        await Promise.allSettled([...reads, clunked])
      }
      const client = await connect()
      await opened(client)
      evict()
      void Promise.allSettled(Array.from({ length: CHUNKS }, (_, chunk) => readAt(client, chunk)))
    }
    // They hear of the server's end behind the replies that were on their way, and have descriptors until then.
    await Promise.all(gone)
    expect(openDescriptors()).toBeLessThanOrEqual(before)
  })

  it('is answered all the same where many wait at once', async () => {
    await using server = await serveDirectory(directory, {
      limits: { ...defaultLimits, parked: 2 },
    })
    const client = await server.client(MSIZE)
    await opened(client)
    evict()
    const parts = Array.from({ length: 200 }, (_, i) => i)
    const found = await Promise.all(
      parts.map(async (part) => {
        const { data } = await client.call.read({ fid: 1, offset: part * 65536, count: 65536 })
        return payloadBytes(data)
      }),
    )
    expect(Buffer.concat(found).equals(bytes.subarray(0, 200 * 65536))).toBe(true)
  })
})
