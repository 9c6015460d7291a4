import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../src/9p/client.ts'
import { errno } from '../../src/sys/errno.ts'
import { flags, payloadBytes } from '../../src/9p/index.ts'
import { attached, serveDirectory } from '../support/directory-server.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const { WRLCK, BLOCK, SUCCESS, BLOCKED } = flags.lock

let directory: string

beforeEach(() => {
  directory = temporaryDirectory()
  for (const name of ['f', 'g']) writeFileSync(join(directory, name), name)
})

async function opened(client: Client, fid: number, name: string): Promise<void> {
  await client.call.walk({ fid: 0, newfid: fid, names: [name] })
  await client.call.lopen({ fid, flags: flags.open.RDWR })
}

async function textOf(client: Client, fid: number): Promise<string> {
  return payloadBytes((await client.call.read({ fid, offset: 0, count: 9 })).data).toString()
}

function lock(client: Client, fid: number, wait = 0): Promise<{ readonly status: number }> {
  const range = { start: 0n, length: 0n, procId: 1, clientId: 'g' }
  return client.call.lock({ fid, type: WRLCK, flags: wait, ...range })
}

describe('two clients of one server', () => {
  it('have separate fids, even with the same numbers', async () => {
    await using server = await serveDirectory(directory)
    const [one, two] = [await server.client(), await server.client()]
    await opened(one, 1, 'f')
    const refused = expect.objectContaining({ errno: errno.EBADF })
    await expect(two.call.getattr({ fid: 1, mask: 0 })).rejects.toEqual(refused)
    await expect(two.call.read({ fid: 1, offset: 0, count: 1 })).rejects.toEqual(refused)
    await expect(two.call.walk({ fid: 1, newfid: 2, names: [] })).rejects.toEqual(refused)
    await expect(two.call.clunk({ fid: 1 })).rejects.toEqual(refused)
    await expect(two.call.remove({ fid: 1 })).rejects.toEqual(refused)
    await opened(two, 1, 'g')
    expect([await textOf(one, 1), await textOf(two, 1)]).toEqual(['f', 'g'])
    two.close()
    await vi.waitFor(() => expect(server.log.at(-1)).toContain('client 2: closed'))
    expect(await textOf(one, 1)).toBe('f')
    one.close()
  })

  it('get no replies of each other’s requests, and flush only their own', async () => {
    await using server = await serveDirectory(directory)
    const [one, two] = [await server.client(), await server.client()]
    await opened(one, 1, 'f')
    await opened(two, 1, 'f')
    expect(await lock(one, 1)).toEqual({ status: SUCCESS })
    const waits = lock(two, 1, BLOCK)
    // Every tag that the other may have used.
    for (let oldtag = 0; oldtag < 50; oldtag++) await one.call.flush({ oldtag })
    await one.call.clunk({ fid: 1 })
    expect(await waits).toEqual({ status: SUCCESS })
    for (const client of [one, two]) client.close()
  })
})

describe('a client that ends while its lock waits', () => {
  it('is removed: the lock is never granted to it, and nothing of it is left', async () => {
    await using server = await serveDirectory(directory)
    const [holder, other] = [await server.client(), await server.client()]
    await opened(holder, 1, 'f')
    await opened(other, 1, 'f')
    expect(await lock(holder, 1)).toEqual({ status: SUCCESS })
    const before = server.descriptors()
    const socket = await server.socket()
    const gone = await attached(socket)
    await opened(gone, 1, 'f')
    const waits = lock(gone, 1, BLOCK)
    waits.catch(() => {})
    // An answer to what was sent later: it waits by now.
    await gone.call.getattr({ fid: 1, mask: 0 })
    socket.destroy()
    await expect(waits).rejects.toBeInstanceOf(Error)
    await vi.waitFor(() => expect(server.log.at(-1)).toContain('client 3: '))
    await vi.waitFor(() => expect(server.descriptors()).toBe(before))

    expect(await lock(other, 1)).toEqual({ status: BLOCKED })
    await holder.call.clunk({ fid: 1 })
    expect(await lock(other, 1)).toEqual({ status: SUCCESS })
    for (const client of [holder, other]) client.close()
  })
})
