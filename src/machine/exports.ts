import {
  type CacheMode,
  type GuestMount,
  type TcpMount,
  VIRTIO_MSIZE,
  type VirtioMount,
} from '../guest/mount.ts'
import { defaultLimits } from '../server/limits.ts'
import { type Engine, openEngine } from '../transport/engine/engine.ts'
import type { Listen, SavedConnection } from '../transport/engine/share.ts'
import { serveDuplex } from '../transport/stream/duplex.ts'
import type { ViewPatterns } from '../tree/view/sight.ts'
import { listenUnix } from './listen.ts'
import type { MachineOptions, SocketShare, TreeShare } from './options.ts'
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

/**
 * Starts a server for the root and for each share, all of them closed with `resources`.
 *
 * @param saved the clients of each, where a machine goes on that was saved.
 */
export async function startExports(
  { root, rootOwner, rootView, atime, sandbox, shares, transport, msize, log }: MachineOptions,
  folder: RuntimeFolder,
  resources: Resources,
  saved: readonly (readonly SavedConnection[])[] = [],
): Promise<{
  /** The servers, each with the directory that it serves. */
  readonly engines: readonly { readonly directory: string; readonly engine: Engine }[]
  readonly root: Export
  readonly shares: readonly (Export & { readonly target: string })[]
}> {
  const engines: { readonly directory: string; readonly engine: Engine }[] = []
  const serve = async (
    directory: string,
    index: number,
    {
      readOnly,
      owner,
      only,
      hide,
    }: { readonly readOnly: boolean; readonly owner: typeof rootOwner } & ViewPatterns,
    cache: CacheMode,
  ): Promise<Export> => {
    const socket = folder.file(`export${index}.sock`)
    const mount =
      transport === 'tcp'
        ? forwarded(index, readOnly, cache, msize)
        : device(index, readOnly, cache, msize)
    const listen: Listen =
      mount.transport === 'tcp'
        ? { kind: 'unix', path: socket }
        : { kind: 'vhost-user', path: socket, tag: mount.tag }
    const share = {
      exports: [{ name: null, directory, readOnly, owner, atime, only, hide }],
      limits: defaultLimits,
      sandbox,
      listen: [listen],
      resume: saved[engines.length] ?? [],
    }
    const engine = resources.use(openEngine(share, (line) => log(`${directory}: ${line}`)))
    engines.push({ directory, engine })
    return { socket, mount }
  }

  // Nobody changes the lower layer in the guest, so its client may keep what it has seen.
  const lower = await serve(root, 0, { readOnly: true, owner: rootOwner, ...rootView }, 'loose')
  const others: (Export & { readonly target: string })[] = []
  for (const [i, share] of shares.entries()) {
    const { target } = share
    const exported =
      'source' in share
        ? await serve(share.source, i + 1, share, share.cache ?? WRITABLE)
        : await forward(share, i + 1, { msize, log }, folder, resources)
    others.push({ ...exported, target })
  }
  return { engines, root: lower, shares: others }
}

/** `none` with shared writable mappings, which linkers want. */
const WRITABLE = 'mmap'

/** A share that no engine serves. */
async function forward(
  share: SocketShare | TreeShare,
  index: number,
  { msize, log }: Pick<MachineOptions, 'msize' | 'log'>,
  folder: RuntimeFolder,
  resources: Resources,
): Promise<Export> {
  const { target, readOnly, cache } = share
  if ('socket' in share)
    return { socket: share.socket, mount: forwarded(index, readOnly, cache ?? WRITABLE, msize) }
  const socket = folder.file(`export${index}.sock`)
  await listenUnix(socket, resources, (stream) => {
    void serveDuplex(share.tree, stream, (line) => log(`${target}: ${line}`))
  })
  return { socket, mount: forwarded(index, readOnly, cache ?? 'none', msize) }
}

/** The root has index 0. */
function forwarded(
  index: number,
  readOnly: boolean,
  cache: CacheMode,
  msize: number | null,
): TcpMount {
  const port = ROOT_PORT + index
  return { transport: 'tcp', port, readOnly, cache, msize: msize ?? MSIZE }
}

function device(
  index: number,
  readOnly: boolean,
  cache: CacheMode,
  msize: number | null,
): VirtioMount {
  const tag = index === 0 ? 'root' : `share${index}`
  return { transport: 'virtio', tag, readOnly, cache, msize: msize ?? VIRTIO_MSIZE }
}
