import { MSIZE_MAX } from '../9p/wire/limits.ts'
import {
  type CacheMode,
  type GuestMount,
  type TcpMount,
  VIRTIO_MSIZE,
  type VirtioMount,
} from '../guest/mount.ts'
import type { Listen } from '../server/share.ts'
import type { HostExport } from '../tree/host/host-exports.ts'
import type { Tree } from '../tree/tree.ts'
import type {
  DirectoryShare,
  MachinePlan,
  PlannedUpperDirectory,
  SocketShare,
  TreeShare,
} from './plan.ts'

/** A tree that the guest mounts: how it mounts the tree, and who serves it. */
export interface Export {
  readonly use: 'control' | 'root' | 'upper' | { readonly target: string }
  readonly mount: GuestMount
  /** The unix socket of the server, which QEMU connects to. */
  readonly socket: string
  readonly server: ExportServer
}

/** Who serves an export: the control channel, an engine, this process, or another program. */
export type ExportServer =
  | { readonly kind: 'control' }
  | EngineExport
  | { readonly kind: 'tree'; readonly tree: Tree }
  | { readonly kind: 'process' }

/** A host directory that one of the machine's engines serves. */
export interface EngineExport {
  readonly kind: 'engine'
  /** Exports with the same number share an engine. */
  readonly engine: number
  readonly exported: HostExport
  readonly listen: Listen
}

/** 564 is 9P's own port (IANA): the root has it, the control channel the one before, the shares those behind it. */
const ROOT_PORT = 564
const CONTROL_PORT = 563

/** The default of writable shares: `none` plus shared writable mappings, which linkers need. */
const WRITABLE = 'mmap'

/**
 * The exports of a machine: the control channel, the root, the shares in their order.
 *
 * Each writable share, and each of another file system than the root's, has an engine of its own: a file system that hangs,
 * as a network's may, then stops no other, and an attacker in the engine of a share cannot write into another. But each
 * engine is a process that takes a tenth of a second of CPU time to start, so the others go with the root.
 *
 * @param file the path of a file in the machine's folder, by its name.
 */
export function planExports(plan: MachinePlan, file: (name: string) => string): Export[] {
  const exports = [controlExport(file('control.sock')), rootExport(plan, file('export0.sock'))]
  let engines = 1
  for (const [i, share] of plan.shares.entries()) {
    const index = i + 1
    const socket = file(`export${index}.sock`)
    if ('tree' in share) exports.push(treeExport(plan, share, index, socket))
    else if ('socket' in share) exports.push(processExport(plan, share, index))
    else {
      const engine = share.withRoot === true ? 0 : engines++
      exports.push(directoryExport(plan, share, index, engine, socket))
    }
  }
  if (plan.upper !== null && 'directory' in plan.upper) {
    const index = plan.shares.length + 1
    const socket = file(`export${index}.sock`)
    exports.push({ use: 'upper', ...upperExport(plan, plan.upper, index, engines, socket) })
  }
  return exports
}

/** The directory that the upper layer is in. This machine alone has it, so its client may cache all of it. */
function upperExport(
  plan: MachinePlan,
  { directory, owner }: PlannedUpperDirectory,
  index: number,
  engine: number,
  socket: string,
): Pick<Export, 'mount' | 'socket' | 'server'> {
  const exported = {
    name: null,
    directory,
    readOnly: false,
    owner,
    atime: plan.atime,
    lockScope: 'guests',
  } as const
  return engineExport(plan, exported, 'loose', index, engine, socket)
}

function controlExport(socket: string): Export {
  const mount = {
    transport: 'tcp',
    port: CONTROL_PORT,
    readOnly: false,
    cache: 'none',
    msize: MSIZE_MAX,
    // Its files have none, and Linux would ask for them at each write.
    noXattrs: true,
  } as const
  return { use: 'control', mount, socket, server: { kind: 'control' } }
}

function rootExport(plan: MachinePlan, socket: string): Export {
  const { root, rootOwner, rootView, atime } = plan
  const exported = {
    name: null,
    directory: root,
    readOnly: true,
    owner: rootOwner,
    atime,
    ...rootView,
  }
  // Nothing changes the lower layer while the guest runs, so its client may cache all of it.
  return { use: 'root', ...engineExport(plan, exported, 'loose', 0, 0, socket) }
}

function directoryExport(
  plan: MachinePlan,
  {
    source,
    target,
    readOnly,
    owner,
    cache = WRITABLE,
    acls,
    locks,
    withRoot,
    transport,
  }: DirectoryShare,
  index: number,
  engine: number,
  socket: string,
): Export {
  const name = withRoot === true ? `share${index}` : null
  const { atime } = plan
  const exported = { name, directory: source, readOnly, owner, atime, acls, lockScope: locks }
  const over = { ...plan, transport: transport ?? plan.transport }
  const planned = engineExport(over, exported, cache, index, engine, socket, acls)
  return { use: { target }, ...planned }
}

function treeExport(
  { msize }: MachinePlan,
  { tree, target, readOnly, cache = 'none' }: TreeShare,
  index: number,
  socket: string,
): Export {
  const mount = tcpMount(index, { readOnly, cache }, msize)
  return { use: { target }, mount, socket, server: { kind: 'tree', tree } }
}

function processExport(
  { msize }: MachinePlan,
  { socket, target, readOnly, cache = WRITABLE }: SocketShare,
  index: number,
): Export {
  const mount = tcpMount(index, { readOnly, cache }, msize)
  return { use: { target }, mount, socket, server: { kind: 'process' } }
}

/** An export of a host directory, over the machine's transport. */
function engineExport(
  { transport, msize }: MachinePlan,
  exported: HostExport,
  cache: CacheMode,
  index: number,
  engine: number,
  socket: string,
  acls?: boolean,
): Pick<Export, 'mount' | 'socket' | 'server'> {
  const { name, readOnly } = exported
  if (transport === 'virtiofs') {
    const mount = { transport, tag: tagOf(index), readOnly } as const
    const listen = {
      kind: transport,
      path: socket,
      caching: cache,
      // Locks of read-only files keep nobody out but the guest's own processes, and its kernel knows these.
      remoteLocks: !readOnly || exported.lockScope === 'host',
      exportName: name ?? undefined,
      acls,
    } as const
    return { mount, socket, server: { kind: 'engine', engine, exported, listen } }
  }
  const policy = {
    readOnly,
    cache,
    ...(name === null ? {} : { name }),
    ...(acls === true && { acls }),
  }
  if (transport === 'tcp') {
    const mount = tcpMount(index, policy, msize)
    const listen = { kind: 'unix', path: socket } as const
    return { mount, socket, server: { kind: 'engine', engine, exported, listen } }
  }
  const mount = virtioMount(index, policy, msize)
  const listen = { kind: 'vhost-user', path: socket, tag: mount.tag } as const
  return { mount, socket, server: { kind: 'engine', engine, exported, listen } }
}

type MountPolicy = Pick<TcpMount, 'readOnly' | 'cache' | 'name' | 'acls'>

/** @param index 0 for the root, 1 for the first share. */
function tcpMount(index: number, policy: MountPolicy, msize: number | null): TcpMount {
  return { transport: 'tcp', port: ROOT_PORT + index, msize: msize ?? MSIZE_MAX, ...policy }
}

function virtioMount(index: number, policy: MountPolicy, msize: number | null): VirtioMount {
  return { transport: 'virtio', tag: tagOf(index), msize: msize ?? VIRTIO_MSIZE, ...policy }
}

/** The mount tag of an export. */
function tagOf(index: number): string {
  return index === 0 ? 'root' : `share${index}`
}
