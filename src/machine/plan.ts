import type { Readable } from 'node:stream'
import type { GuestInit, GuestPhase } from '../guest/init.ts'
import type { Kernel } from '../guest/kernel.ts'
import type { CacheMode } from '../guest/mount.ts'
import type { Qemu } from '../provision/qemu.ts'
import type { SandboxMode } from '../server/sandbox.ts'
import type { HostPolicy } from '../tree/host/policy.ts'
import type { Tree } from '../tree/tree.ts'
import type { ViewPatterns } from '../tree/view/sight.ts'
import type { Accelerator } from './accelerator.ts'
import type { Transport } from './transport.ts'

/** What the guest mounts beside its root. */
export type ShareOptions = DirectoryShare | TreeShare | SocketShare

/** A host directory, served by the machine. */
export interface DirectoryShare {
  /** A directory of the host. */
  readonly source: string
  /** An absolute path of the guest. */
  readonly target: string
  readonly readOnly: boolean
  readonly owner: HostPolicy['owner']
  /** Default: `mmap`. */
  readonly cache?: CacheMode
  /** Whether the root's thread serves it, instead of one of its own. A file system that stands still then stops both. */
  readonly withRoot?: boolean
}

/** A tree of any kind, served on the main thread. Several machines may have the same one. */
export interface TreeShare {
  readonly tree: Tree
  /** An absolute path of the guest. */
  readonly target: string
  readonly readOnly: boolean
  /** Default: `none`, since files made of functions are not always what they were. */
  readonly cache?: CacheMode
}

/** A tree that somebody else serves: a 9P2000.L server, for this one connection. */
export interface SocketShare {
  /** The unix socket that it listens on. */
  readonly socket: string
  /** An absolute path of the guest. */
  readonly target: string
  readonly readOnly: boolean
  /** Default: `mmap`. */
  readonly cache?: CacheMode
}

/** A disk of the guest's: an image, or an empty one that is gone with the machine. */
export type DiskOptions =
  | {
      /** An absolute path. */
      readonly file: string
      readonly format: 'raw' | 'qcow2'
      readonly readOnly: boolean
    }
  | { readonly sizeMiB: number }

/** A network card of the guest's whose cable is a socket. */
export interface NetworkCard {
  /** The unix socket of a switch: frames, each behind its length (QEMU's `-netdev stream`). */
  readonly socket: string
  /** Six bytes as pairs of hexadecimal digits, with colons between them. */
  readonly mac: string
}

/** The guest's card on QEMU's user network, which translates addresses as a home router does. */
export interface UserNetwork {
  /** Whether the guest reaches nothing but what reaches it. */
  readonly restricted: boolean
  /** TCP ports of 127.0.0.1 that lead to ports of the guest's. */
  readonly forwards: readonly { readonly host: number; readonly guest: number }[]
}

/** What a machine is made of. Nothing here is looked for: see provision/ for that. */
export interface MachineOptions {
  readonly qemu: Qemu
  readonly kernel: Kernel
  /** A static busybox. */
  readonly busybox: string
  readonly accelerator: Accelerator
  /** How files get to the guest; what somebody else serves always does over tcp. */
  readonly transport: Transport
  /** Bytes in the largest message to and from the root and the shares. Null: as many as each transport allows. */
  readonly msize: number | null
  /** The directory of the host that is the lower layer. */
  readonly root: string
  readonly rootOwner: HostPolicy['owner']
  /** Which part of it the guest sees; without one, all of it. */
  readonly rootView?: ViewPatterns
  readonly atime: HostPolicy['atime']
  /** Whether the servers of the root and the shares restrict themselves to those directories. */
  readonly sandbox: SandboxMode
  readonly shares: readonly ShareOptions[]
  /** The disk that the upper layer is on: a raw image, made where there is none. Null: memory. */
  readonly upper: { readonly file: string; readonly sizeMiB: number } | null
  /** Further disks. */
  readonly disks: readonly DiskOptions[]
  readonly memoryMiB: number
  readonly cpus: number
  readonly append: string
  /** A file with a cpio archive, compressed or not, that the kernel unpacks before ours: see guest/initrd.ts. */
  readonly initrd: string | null
  /** Further arguments for QEMU. */
  readonly qemuArguments: readonly string[]
  readonly hostname: string
  /** What process 1 of the guest becomes. */
  readonly init: GuestInit
  /** Units that systemd is not to start. */
  readonly maskedUnits: readonly string[]
  /** A script for busybox's shell in the root, before the init. */
  readonly prepare: string
  /** The guest's eth0, if any. */
  readonly userNetwork: UserNetwork | null
  /** Further network cards: eth1, or eth0 without a user network, and so on. */
  readonly networkCards: readonly NetworkCard[]
  /** Whether there is a graphics card, and with it a screen. */
  readonly screen: boolean
  /** Whether the guest has a terminal, for {@link QemuMachine.runOnTerminal}. */
  readonly terminal: boolean
  /** Leave sockets and the initramfs where they are. */
  readonly keep: boolean
  /** Milliseconds that the guest may take until it is ready for its first command. */
  readonly bootTimeout: number
  /** Aborting it makes the boot fail with its reason. */
  readonly signal: AbortSignal
  readonly onPhase: (phase: BootPhase) => void
  readonly onConsoleLine: (line: string) => void
  readonly log: (line: string) => void
}

/** How far a boot is. */
export type BootPhase = 'qemu' | GuestPhase | 'ready'

/** A command for the guest. */
export interface CommandOptions {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly stdin: Readable | null
}

/** How a machine tells what becomes of it, how long it may take, and what is left of it: nothing that is saved. */
export type MachineHooks = Pick<
  MachineOptions,
  'keep' | 'bootTimeout' | 'signal' | 'onPhase' | 'onConsoleLine' | 'log'
>

/** What a machine is made of, as far as it is plain data. */
export type MachineData = Omit<MachineOptions, keyof MachineHooks>

/** A guest that has its files and a shell, and nothing beside. */
export const bareGuest = {
  msize: null,
  initrd: null,
  init: 'none',
  maskedUnits: [],
  prepare: '',
  userNetwork: null,
  networkCards: [],
  upper: null,
  disks: [],
  screen: false,
} as const satisfies Partial<MachineOptions>
