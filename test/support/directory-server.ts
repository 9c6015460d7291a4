import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { Client } from '../../src/9p/client.ts'
import { limits } from '../../src/9p/index.ts'
import { defaultLimits } from '../../src/session/session-limits.ts'
import type { Engine } from '../../src/server/engine.ts'
import { startEngine } from '../../src/server/start.ts'
import type { Listen, Share } from '../../src/server/share.ts'
import type { HostPolicy } from '../../src/tree/host/policy.ts'
import type { ViewPatterns } from '../../src/tree/view/sight.ts'
import { openDescriptors, residentBytes } from './descriptors.ts'
import { temporaryDirectory } from './temporary.ts'

/** An engine that serves a directory on a unix socket, and ways to talk to it. */
export interface DirectoryServer extends AsyncDisposable {
  readonly engine: Engine
  readonly socketPath: string
  readonly log: string[]
  /** How many descriptors its process has open. */
  descriptors(): number
  /** The resident memory of its process, in bytes. */
  memory(): number
  /** A connection without a client. */
  socket(): Promise<Socket>
  /** A client whose fid 0 is the directory. */
  client(msize?: number): Promise<Client>
}

/** What is served unless a test says otherwise. */
export const sharePolicy = { readOnly: false, owner: 'host', atime: 'preserve' } as const

/** What a share is beside its directories. The sandbox is on wherever the kernel has one. */
export const shareSettings = { limits: defaultLimits, sandbox: 'auto' } as const

/** @param folder where its socket lies; without one, in a place of the test's own. */
export async function serveDirectory(
  directory: string,
  changes: Partial<Share & HostPolicy & ViewPatterns> = {},
  folder = temporaryDirectory(),
): Promise<DirectoryServer> {
  const socketPath = join(folder, 'socket')
  const log: string[] = []
  const {
    readOnly = sharePolicy.readOnly,
    owner = sharePolicy.owner,
    atime = sharePolicy.atime,
    only,
    hide,
    ...others
  } = changes
  const share: Share = {
    exports: [{ name: null, directory, readOnly, owner, atime, only, hide }],
    listen: [{ kind: 'unix', path: socketPath }],
    ...shareSettings,
    ...others,
  }
  const engine = await startEngine(share, (line) => log.push(line))
  const socket = (): Promise<Socket> => connected({ kind: 'unix', path: socketPath })
  const client = async (msize?: number): Promise<Client> => attached(await socket(), msize)
  const { pid = -1 } = engine
  const descriptors = (): number => openDescriptors(pid)
  const memory = (): number => residentBytes(pid)
  return {
    engine,
    socketPath,
    log,
    descriptors,
    memory,
    socket,
    client,
    [Symbol.asyncDispose]: () => engine.close(),
  }
}

/** A connection to where an engine listens. */
export function connected(listen: Listen): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const where = listen.kind === 'tcp' ? listen : { path: listen.path }
    const socket = connect(where, () => resolve(socket))
    socket.once('error', reject)
  })
}

/** A client over `socket` whose fid 0 is the root, or that of the export `aname`. */
export async function attached(socket: Duplex, msize?: number, aname = ''): Promise<Client> {
  const client = await Client.connect(socket, msize)
  const uid = process.getuid!()
  await client.call.attach({ fid: 0, afid: limits.NOFID, uname: '', aname, uid })
  return client
}
