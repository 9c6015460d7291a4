import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Client } from '../../src/9p/client.ts'
import { flags } from '../../src/9p/index.ts'
import { serveDuplex } from '../../src/transport/stream/duplex.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import { attached, serveDirectory } from '../support/directory-server.ts'
import { HostLocker } from '../support/host-locker.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

const { WRLCK, UNLCK, BLOCK, SUCCESS, BLOCKED } = flags.lock

let directory: string
let file: string

beforeEach(() => {
  directory = temporaryDirectory()
  file = join(directory, 'f')
  writeFileSync(file, '')
})

/** A client whose fid 1 is the file, open to be read and written. */
async function withFile(client: Client): Promise<Client> {
  await client.call.walk({ fid: 0, newfid: 1, names: ['f'] })
  await client.call.lopen({ fid: 1, flags: flags.open.RDWR })
  return client
}

function lock(client: Client, type: number, wait = 0, procId = 1): Promise<number> {
  const range = { start: 0n, length: 0n }
  const sent = client.call.lock({ fid: 1, type, flags: wait, ...range, procId, clientId: 'g' })
  return sent.then(({ status }) => status)
}

/** Both kinds of server: an engine's process with its own timers, and Node's event loop. */
const kinds: Record<string, () => Promise<() => Promise<Client>>> = {
  'an engine': async () => {
    const server = await serveDirectory(directory)
    afterwards(() => void server.engine.close())
    return () => server.client()
  },
  'Node’s event loop': async () => {
    const tree = new HostTree(directory, { readOnly: false, owner: 'host', atime: 'guest' })
    return () => {
      const [ours, theirs] = duplexPair()
      void serveDuplex(tree, ours)
      return attached(theirs)
    }
  },
}

describe.each(Object.entries(kinds))('locks of clients of %s', (_kind, start) => {
  it('pass from one to the next, and from a program of the host to a client', async () => {
    const connect = await start()
    const [a, b] = [await withFile(await connect()), await withFile(await connect())]
    await using host = await HostLocker.start(file)
    expect(await lock(a, WRLCK)).toBe(SUCCESS)
    expect(await lock(b, WRLCK)).toBe(BLOCKED)
    const waiting = lock(b, WRLCK, BLOCK)
    // The server goes on while a client waits.
    await b.call.getattr({ fid: 1, mask: 0 })
    await a.call.clunk({ fid: 1 })
    expect(await waiting).toBe(SUCCESS)

    expect(await lock(b, UNLCK)).toBe(SUCCESS)
    expect(await host.lock('write')).toBe(true)
    const late = lock(b, WRLCK, BLOCK)
    await b.call.getattr({ fid: 1, mask: 0 })
    expect(await host.lock('none')).toBe(true)
    expect(await late).toBe(SUCCESS)
    a.close()
    b.close()
  })
})
