import {
  type CacheMode,
  type GuestMount,
  type TcpMount,
  VIRTIO_MSIZE,
  type VirtioMount,
} from '../guest/mount.ts'
import { defaultLimits } from '../9p/session-limits.ts'
import { type Engine, openEngine } from '../server/engine.ts'
import type { Listen, SavedConnection } from '../server/share.ts'
import { serveDuplex } from '../transport/stream/duplex.ts'
import type { HostExport } from '../tree/host/host-exports.ts'
import { listenUnix } from './sockets.ts'
import type { MachineOptions, SocketShare, TreeShare } from './plan.ts'
import type { Resources } from './resources.ts'
import type { RuntimeFolder } from './runtime-folder.ts'

/** A served directory: how the guest mounts it, and the socket that QEMU connects to. */
export interface Export {
  readonly mount: GuestMount
  readonly socket: string
}

/** 564 is 9P's own port (IANA); the channel and the shares have those around it. */
export const CONTROL_PORT = 563
const ROOT_PORT = 564

/** Largest message: what a Linux client allows on a stream, so that each carries as much as it can. */
export const MSIZE = defaultLimits.msize

/** A directory that one of our servers has. */
interface Place extends Export {
  readonly exported: HostExport
  readonly listen: Listen
}

/**
 * Starts servers for the root and for the shares, all of them closed with `resources`. They may not serve yet, but QEMU
 * can connect.
 *
 * A thread for each: what stands still, as a network's file system may, stops nothing else. But each takes a tenth of a
 * second to start, so what is hardly looked at goes with the root.
 *
 * @param saved the clients of each, where a machine goes on that was saved.
 */
export async function startExports(
  options: MachineOptions,
  folder: RuntimeFolder,
  resources: Resources,
  saved: readonly (readonly SavedConnection[])[] = [],
): Promise<{
  /** The servers, each with the directories that it serves. */
  readonly engines: readonly { readonly directories: string; readonly engine: Engine }[]
  readonly root: Export
  readonly shares: readonly (Export & { readonly target: string })[]
}> {
  const { root, rootOwner, rootView, atime, sandbox, shares, transport, msize, log } = options
  const place = (
    index: number,
    name: string | null,
    { cache, ...exported }: Omit<HostExport, 'name' | 'atime'> & { readonly cache: CacheMode },
  ): Place => {
    const socket = folder.file(`export${index}.sock`)
    const policy = { readOnly: exported.readOnly, cache, ...(name === null ? {} : { name }) }
    const mount =
      transport === 'tcp' ? forwarded(index, policy, msize) : device(index, policy, msize)
    const listen: Listen =
      mount.transport === 'tcp'
        ? { kind: 'unix', path: socket }
        : { kind: 'vhost-user', path: socket, tag: mount.tag }
    return { socket, mount, listen, exported: { name, atime, ...exported } }
  }

  // Nobody changes the lower layer in the guest, so its client may keep what it has seen.
  const policy = { directory: root, readOnly: true, owner: rootOwner, ...rootView }
  const lower = place(0, null, { ...policy, cache: 'loose' })
  const withRoot = [lower]
  const threads = [withRoot]
  const others: (Export & { readonly target: string })[] = []
  for (const [i, share] of shares.entries()) {
    const index = i + 1
    const { target } = share
    if (!('source' in share)) {
      others.push({ ...(await forward(share, index, options, folder, resources)), target })
      continue
    }
    const { source: directory, owner, cache = WRITABLE } = share
    const name = share.withRoot === true ? `share${index}` : null
    const own = place(index, name, { directory, readOnly: share.readOnly, owner, cache })
    if (share.withRoot === true) withRoot.push(own)
    else threads.push([own])
    others.push({ ...own, target })
  }

  const engines = threads.map((places, i) => {
    const directories = places.map(({ exported }) => exported.directory).join(', ')
    const share = {
      exports: places.map(({ exported }) => exported),
      limits: defaultLimits,
      sandbox,
      listen: places.map(({ listen }) => listen),
      resume: saved[i] ?? [],
    }
    const engine = resources.use(openEngine(share, (line) => log(`${directories}: ${line}`)))
    return { directories, engine }
  })
  return { engines, root: lower, shares: others }
}

/** `none` with shared writable mappings, which linkers want. */
const WRITABLE = 'mmap'

/** A share that no engine serves. */
async function forward(
  { cache, ...share }: SocketShare | TreeShare,
  index: number,
  { msize, log }: Pick<MachineOptions, 'msize' | 'log'>,
  folder: RuntimeFolder,
  resources: Resources,
): Promise<Export> {
  const { target, readOnly } = share
  if ('socket' in share) {
    const mount = forwarded(index, { readOnly, cache: cache ?? WRITABLE }, msize)
    return { socket: share.socket, mount }
  }
  const socket = folder.file(`export${index}.sock`)
  await listenUnix(socket, resources, (stream) => {
    void serveDuplex(share.tree, stream, (line) => log(`${target}: ${line}`))
  })
  return { socket, mount: forwarded(index, { readOnly, cache: cache ?? 'none' }, msize) }
}

type Policy = Pick<GuestMount, 'readOnly' | 'cache' | 'name'>

/** The root has index 0. */
function forwarded(index: number, policy: Policy, msize: number | null): TcpMount {
  return { transport: 'tcp', port: ROOT_PORT + index, msize: msize ?? MSIZE, ...policy }
}

function device(index: number, policy: Policy, msize: number | null): VirtioMount {
  const tag = index === 0 ? 'root' : `share${index}`
  return { transport: 'virtio', tag, msize: msize ?? VIRTIO_MSIZE, ...policy }
}
