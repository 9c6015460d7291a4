/**
 * A machine is one QEMU with the servers of its files, from what a user asks of it to a guest that runs commands.
 *
 * The way there: the options (options.ts) and what this host has (find.ts) make a plan, here. The plan's exports
 * (exports.ts) and parts (parts.ts, devices/) make QEMU's command line (arguments.ts) and the initramfs. boot.ts then opens
 * and starts all of it, and qemu-machine.ts is what the other rooms get.
 */

import { resolve } from 'node:path'
import type { GuestInit } from '../guest/init.ts'
import type { Kernel } from '../guest/kernel.ts'
import type { CacheMode } from '../guest/mount.ts'
import { MASKED_UNITS } from '../guest/systemd.ts'
import type { Qemu } from '../provision/qemu.ts'
import type { SandboxMode } from '../server/sandbox.ts'
import type { Ownership } from '../tree/host/owners.ts'
import type { HostPolicy } from '../tree/host/policy.ts'
import type { Tree } from '../tree/tree.ts'
import { type ViewPatterns, shows } from '../tree/view/sight.ts'
import { mebibytes, parseBytes } from '../util/size.ts'
import type { ChosenAccelerator } from './accelerator.ts'
import type { Arch, Board } from './devices/board.ts'
import { OptionError } from './failure.ts'
import type {
  MachineDisk,
  MachineOptions,
  MachineShare,
  Nic,
  PlanOptions,
  PortForward,
} from './options.ts'
import { type ChosenTransport, type Transport, checkMsize } from './transport.ts'

/**
 * What a machine is made of: every choice made and every default filled in. It is plain data but for the trees that are
 * served by this process, so a snapshot keeps it as JSON.
 */
export interface MachinePlan extends Board {
  readonly qemu: Qemu
  readonly kernel: Kernel
  /** A static busybox. */
  readonly busybox: string
  /** How files get to the guest. Trees and other servers' sockets always take tcp. */
  readonly transport: Transport
  /** Bytes in the largest message to and from the root and the shares. Null: as many as each transport allows. */
  readonly msize: number | null
  /** The directory of the host that is the lower layer. */
  readonly root: string
  readonly rootOwner: Ownership
  /** Which part of it the guest sees; without one, all of it. */
  readonly rootView?: ViewPatterns
  readonly atime: HostPolicy['atime']
  /** Whether the servers of the root and the shares confine themselves to those directories. */
  readonly sandbox: SandboxMode
  readonly shares: readonly PlannedShare[]
  readonly upper: PlannedUpper | null
  /** Further disks, behind the one of the upper layer. */
  readonly disks: readonly PlannedDisk[]
  /** Further kernel arguments. */
  readonly append: string
  /** A file with a cpio archive, compressed or not, that the kernel unpacks before ours: see guest/initrd.ts. */
  readonly initrd: string | null
  /** Further arguments for QEMU. */
  readonly qemuArguments: readonly string[]
  readonly hostname: string
  /** What process 1 of the guest becomes. */
  readonly init: GuestInit
  /** Units that systemd does not start. */
  readonly maskedUnits: readonly string[]
  /** A script for busybox's shell in the root, before the init. */
  readonly prepare: string
  /** The guest's eth0, if any. */
  readonly userNetwork: UserNetwork | null
  /** Further NICs: eth1, or eth0 without a user network, and so on. */
  readonly nics: readonly Nic[]
  /** Whether there is a graphics card, and with it a screen. */
  readonly screen: boolean
  /** Whether the guest has a terminal that the host can join (hvc0). */
  readonly terminal: boolean
}

/** What the guest mounts beside its root. */
export type PlannedShare = DirectoryShare | TreeShare | SocketShare

/** A host directory, which the machine serves. */
export interface DirectoryShare {
  /** A directory of the host. */
  readonly source: string
  /** An absolute path of the guest. */
  readonly target: string
  readonly readOnly: boolean
  readonly owner: Ownership
  /** Default: `mmap`. */
  readonly cache?: CacheMode
  /** See GuestMount.acls. Default: false. */
  readonly acls?: boolean
  /** See MachineShare.locks. */
  readonly locks?: 'guests' | 'host'
  /** Whether the root's engine serves it, instead of one of its own. A file system that hangs then stops both. */
  readonly withRoot?: boolean
  /** Default: the machine's. */
  readonly transport?: Transport
}

/** A tree of any kind, served by this process. Several machines may have the same one. */
export interface TreeShare {
  readonly tree: Tree
  /** An absolute path of the guest. */
  readonly target: string
  readonly readOnly: boolean
  /** Default: `none`, since the content of files that are functions may change at any time. */
  readonly cache?: CacheMode
}

/** A tree that another 9P2000.L server serves, for this one connection. */
export interface SocketShare {
  /** The unix socket that the server listens on. */
  readonly socket: string
  /** An absolute path of the guest. */
  readonly target: string
  readonly readOnly: boolean
  /** Default: `mmap`. */
  readonly cache?: CacheMode
}

/** What the upper layer is on. */
export type PlannedUpper = PlannedUpperDisk | PlannedUpperDirectory

/** A directory of the host, which the machine serves. */
export interface PlannedUpperDirectory {
  /** An absolute path. */
  readonly directory: string
  readonly owner: Ownership
}

/** A disk: a raw image, made where there is none. */
export interface PlannedUpperDisk {
  /** An absolute path. */
  readonly file: string
  readonly sizeMiB: number
}

/** A disk of the guest's: an image, or an empty disk that is gone with the machine. */
export type PlannedDisk =
  | {
      /** An absolute path. */
      readonly file: string
      readonly format: 'raw' | 'qcow2'
      readonly readOnly: boolean
    }
  | { readonly sizeMiB: number }

/** The guest's NIC on QEMU's user network, which translates addresses as a home router does. */
export interface UserNetwork {
  /** QEMU's restrict=on: the guest answers forwarded connections, and reaches nothing else. */
  readonly restricted: boolean
  readonly forwards: readonly PortForward[]
}

/** What a plan takes from this host: findForPlan (find.ts) looks it up. */
export interface Found {
  readonly arch: Arch
  /** The current directory. */
  readonly cwd: string
  readonly accelerator: ChosenAccelerator
  readonly qemu: Qemu
  readonly kernel: Kernel
  /** A static busybox. */
  readonly busybox: string
  readonly transport: ChosenTransport
  readonly root: FoundRoot
  /** The user of this process. */
  readonly uid: number
  /** The directories among the shares' that are on the root's file system: absolute paths. */
  readonly besideRoot: readonly string[]
}

/** What a plan takes from the directory that is the root. */
export interface FoundRoot {
  /** An absolute path. */
  readonly path: string
  /** Who owns the directory. */
  readonly uid: number
  readonly hasSystemd: boolean
  /** Whether it has /sbin/init. */
  readonly hasInit: boolean
  /** Whether it has the modules of the guest's kernel, where modprobe looks for them. */
  readonly hasModules: boolean
}

/** Memory of a machine that asks for none, in MiB. */
const DEFAULT_MEMORY = 1024

/** A host name as hostname(7) allows it, without dots. */
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i

/**
 * Plans a machine. It looks at nothing but its arguments: what has to be looked up is in `found`, and what has to be
 * opened is opened by `bootMachine` (boot.ts).
 *
 * @throws OptionError for an option that this host, QEMU, kernel or root cannot have; RangeError for a size that is none.
 */
export function planMachine(options: PlanOptions, found: Found): MachinePlan {
  const { root, kernel, cwd, besideRoot } = found
  const { transport } = found.transport
  const { rootView } = options
  const hasModules = root.hasModules && shows(rootView ?? {}, modulesTarget(kernel))
  return {
    arch: found.arch,
    qemu: found.qemu,
    kernel,
    busybox: found.busybox,
    accelerator: found.accelerator.accelerator,
    transport,
    msize: checkMsize(messageSize(options), transport),
    root: root.path,
    rootOwner: options.rootOwner ?? (root.uid === 0 ? 'host' : { uid: 0, gid: 0 }),
    ...(rootView === undefined ? {} : { rootView }),
    atime: options.atime ?? 'preserve',
    sandbox: options.sandbox ?? 'auto',
    shares: [
      ...(options.shares ?? []).map((share) => planShare(share, cwd, besideRoot)),
      ...(hasModules ? [] : [modulesShare(kernel)]),
    ],
    upper: planUpper(options.upper ?? 'tmpfs', found),
    disks: (options.disks ?? []).map((disk) => planDisk(disk, cwd)),
    memoryMiB: memoryMiB(options),
    cpus: options.cpus ?? 1,
    append: options.kernelArguments ?? '',
    initrd: options.initrd === undefined ? null : resolve(cwd, options.initrd),
    qemuArguments: options.qemuArguments ?? [],
    hostname: planName(options.name ?? 'machine'),
    init: planInit(options.init ?? 'auto', root),
    maskedUnits: options.maskedUnits ?? MASKED_UNITS,
    prepare: options.prepare ?? '',
    userNetwork:
      options.userNetwork === false
        ? null
        : {
            restricted: options.restrictNetwork ?? true,
            forwards: options.forwardPorts ?? [],
          },
    nics: options.nics ?? [],
    screen: options.screen ?? true,
    terminal: options.terminal ?? true,
  }
}

/** A machine's memory in MiB. @throws RangeError for what is no size. */
export function memoryMiB({ memory = DEFAULT_MEMORY }: Pick<MachineOptions, 'memory'>): number {
  return mebibytes(memory, 'memory')
}

/** Where a guest's modprobe looks for the modules of its kernel. */
export function modulesTarget({ release }: Kernel): string {
  return `/lib/modules/${release}`
}

/** The modules of a kernel, for a root that does not have them. */
function modulesShare(kernel: Kernel): DirectoryShare {
  return {
    source: kernel.modules,
    target: modulesTarget(kernel),
    readOnly: true,
    owner: { uid: 0, gid: 0 },
    withRoot: true,
  }
}

/** A machine's largest message in bytes; null where the options do not say. @throws RangeError for what is no size. */
export function messageSize({ msize }: Pick<MachineOptions, 'msize'>): number | null {
  if (msize === undefined) return null
  const value = parseBytes(String(msize))
  if (value !== undefined) return value
  throw new RangeError(`msize: ${msize} is no size. Say a number of bytes, 64K or 1M.`)
}

function planName(name: string): string {
  if (NAME.test(name)) return name
  throw new OptionError(`"${name}" is no host name, and a machine's name is one.`)
}

function planInit(choice: 'auto' | GuestInit, root: FoundRoot): GuestInit {
  if (choice === 'auto') return root.hasSystemd && root.hasInit ? 'systemd' : 'none'
  if (choice === 'systemd' && !root.hasSystemd) {
    throw new OptionError(
      `${root.path} has no systemd, so it cannot be its init. \`init: 'none'\` takes a shell.`,
    )
  }
  return choice
}

function planShare(
  { source, target, readOnly = false, owner = 'host', cache, acls = false, locks }: MachineShare,
  cwd: string,
  besideRoot: readonly string[],
): PlannedShare {
  if (acls && (typeof source !== 'string' || (owner !== 'host' && owner !== 'mapped-xattr'))) {
    throw new OptionError(
      `shares: ${target} cannot have acls. A directory can, with the owner 'host' or 'mapped-xattr': ACLs contain ids.`,
    )
  }
  if (locks !== undefined && typeof source !== 'string') {
    throw new OptionError(`shares: ${target} cannot have locks. A directory can.`)
  }
  const how = { target, readOnly, ...(cache === undefined ? {} : { cache }) }
  if (typeof source !== 'string') return { tree: source, ...how }
  const directory = resolve(cwd, source)
  const withRoot = readOnly && besideRoot.includes(directory)
  // Over virtio-fs it is the server that gives a new file the default ACL of its directory, and it cannot do so with ACLs that
  // are stored. Over 9P the client does.
  const transport = acls && owner === 'mapped-xattr' ? ({ transport: 'tcp' } as const) : {}
  return {
    source: directory,
    owner,
    ...how,
    ...(acls && { acls }),
    ...(locks && { locks }),
    ...(withRoot && { withRoot }),
    ...transport,
  }
}

function planUpper(
  upper: NonNullable<MachineOptions['upper']>,
  { cwd, uid, transport }: Found,
): MachinePlan['upper'] {
  if (upper === 'tmpfs') return null
  if (typeof upper === 'string' && !upper.includes('/')) {
    throw new OptionError(
      `upper: "${upper}" is neither tmpfs nor a path. Write ./${upper} for a directory.`,
    )
  }
  if (typeof upper !== 'string' && 'disk' in upper) {
    return {
      file: resolve(cwd, upper.disk),
      sizeMiB: mebibytes(upper.size ?? '4G', 'upper.size'),
    }
  }
  if (transport.transport !== 'virtiofs') {
    throw new OptionError(
      `upper: a directory takes the transport virtiofs, and files take ${transport.transport} here: ${transport.reason}.`,
    )
  }
  // Another user than root can neither give files away nor set the attributes that overlayfs keeps.
  const directory = typeof upper === 'string' ? upper : upper.directory
  return { directory: resolve(cwd, directory), owner: uid === 0 ? 'host' : 'mapped-xattr' }
}

function planDisk(disk: MachineDisk, cwd: string): PlannedDisk {
  if ('size' in disk) return { sizeMiB: mebibytes(disk.size, 'disks: size') }
  const { file, format = 'raw', readOnly = false } = disk
  return { file: resolve(cwd, file), format, readOnly }
}
