import type { GuestInit } from '../guest/init.ts'
import type { CacheMode } from '../guest/mount.ts'
import type { SandboxMode } from '../server/sandbox.ts'
import type { Ownership } from '../tree/host/owners.ts'
import type { HostPolicy } from '../tree/host/policy.ts'
import type { Tree } from '../tree/tree.ts'
import type { ViewPatterns } from '../tree/view/sight.ts'
import type { AcceleratorChoice } from './accelerator.ts'
import type { TransportChoice } from './transport.ts'

/** What a user may ask of a machine, with `lowerdir run` and with `boot` alike. Relative paths start at the current directory. */
export interface MachineOptions {
  /** The directory of the host that is the root's lower layer, never changed. Default: `/`. */
  readonly root?: string
  /** Whom the root's files belong to in the guest. Default: `host` if root owns the directory, else root. */
  readonly rootOwner?: Ownership
  /** Which part of the root the guest sees. Default: all. */
  readonly rootView?: ViewPatterns
  /**
   * Where the guest's writes go: memory, or a disk or a directory of the host that lasts. A path with a slash is a directory.
   * Default: `tmpfs`.
   */
  readonly upper?: 'tmpfs' | `${string}/${string}` | UpperDisk | UpperDirectory
  /** The machine's host name, and its name in messages and artifacts. Default: `machine`. */
  readonly name?: string
  /** The guest's memory: a number of MiB, or `512M`, `2G`. Default: 1024. */
  readonly memory?: number | string
  /** The number of the guest's CPUs. Default: 1. */
  readonly cpus?: number
  /** What process 1 is: systemd where the root has it (`auto`), or nothing but a shell. Default: `auto`. */
  readonly init?: 'auto' | GuestInit
  /**
   * Units that systemd does not start. Default: those that have nothing to do in such a guest (guest/systemd.ts). With
   * an empty list all of them start, and systemd's generators run as well.
   */
  readonly maskedUnits?: readonly string[]
  /** What the guest mounts beside its root. Default: nothing. */
  readonly shares?: readonly MachineShare[]
  /** Further disks, in order: /dev/vda, or /dev/vdb behind an upper disk, and so on. Default: none. */
  readonly disks?: readonly MachineDisk[]
  /** TCP ports of the host's 127.0.0.1 that QEMU forwards to ports of the guest. Default: none. */
  readonly forwardPorts?: readonly PortForward[]
  /** Whether eth0 has QEMU's `restrict=on`: it answers what comes in, and reaches nothing else. Default: true. */
  readonly restrictNetwork?: boolean
  /** Whether the guest has a graphics card, for screenshots and for its virtual terminals. Default: true. */
  readonly screen?: boolean
  /** How QEMU runs the guest's instructions; `kvm` fails where KVM cannot be used. Default: `auto`. */
  readonly accel?: AcceleratorChoice | undefined
  /**
   * How files get to the guest: `virtiofs`, `9p`, or `tcp`, which is slower and which every QEMU has. A machine that is to be
   * saved takes `tcp`. Default: `auto`, the first of these that QEMU and the guest's kernel can.
   */
  readonly transport?: TransportChoice | undefined
  /**
   * The largest 9P message to and from the root and the shares: a number of bytes, or `64K`, `1M`. From 4096 bytes to
   * 512,000 over `9p` and to 1 MiB over `tcp`, which are the defaults. With it files do not take `virtiofs`.
   */
  readonly msize?: number | string | undefined
  /** The kernel's image. Default: the one that `lowerdir setup` has fetched. */
  readonly kernel?: string | undefined
  /** Further arguments for the kernel. */
  readonly kernelArguments?: string | undefined
  /**
   * A file with a cpio archive ("newc"), compressed or not, or with several. The kernel unpacks it before ours. It may
   * bring ACPI tables (kernel/firmware/acpi) and microcode (kernel/x86/microcode), where it is not compressed, and
   * firmware for drivers (lib/firmware). Default: none.
   */
  readonly initrd?: string
  /** The QEMU to use. Default: the newest that is here. */
  readonly qemu?: string | undefined
  /** Further arguments for QEMU. */
  readonly qemuArguments?: readonly string[] | undefined
}

/** All that a machine is planned by. A test does not choose the options here: `run` does, or a network. */
export interface PlanOptions extends MachineOptions {
  /** Whether reading the root and the shares changes the host's access times. Default: `preserve`. */
  readonly atime?: HostPolicy['atime']
  /** Whether the servers of the root and the shares confine themselves to those directories. Default: `auto`. */
  readonly sandbox?: SandboxMode
  /** Whether the guest has a NIC on QEMU's user network: eth0. Default: true. */
  readonly userNetwork?: boolean
  /** NICs in networks with other machines: eth1, or eth0 without a user network, and so on. Default: none. */
  readonly nics?: readonly Nic[]
  /** A script for busybox's shell in the guest's root, before its init starts. Default: nothing. */
  readonly prepare?: string
  /** Whether the guest has a terminal that the host can join (hvc0). Default: true. */
  readonly terminal?: boolean
}

/**
 * A disk that holds the upper layer, so that what the guest writes outlasts the machine. An empty disk gets an ext4 file
 * system; a disk with anything else than ext4 on it is refused. Two machines cannot have the same disk at once.
 */
export interface UpperDisk {
  /** A raw image. Where there is none, an empty, sparse one is made. */
  readonly disk: string
  /** The size of an image that is made: a number of MiB, or `512M`, `2G`. Default: `4G`. */
  readonly size?: number | string
}

/**
 * A directory of the host that holds the upper layer, so that what the guest writes outlasts the machine as plain files: its
 * folder `upper` has them as overlayfs keeps them, where a device 0/0 is a file that was removed. It takes the transport
 * virtiofs. As an ordinary user, their owners and modes are kept beside the files (`mapped-xattr`). Two machines cannot have
 * the same directory at once.
 */
export interface UpperDirectory {
  /** Made where there is none. */
  readonly directory: string
}

/** A share: a directory of the host, or a tree of any kind. */
export interface MachineShare {
  /** A directory of the host, or a tree. */
  readonly source: string | Tree
  /** An absolute path of the guest. */
  readonly target: string
  /** Default: false. */
  readonly readOnly?: boolean
  /** Whom a directory's files belong to in the guest. Default: the host's owners. */
  readonly owner?: Ownership
  /** What the guest keeps of it. Default: `mmap`; `none` for a tree of functions. */
  readonly cache?: CacheMode
  /**
   * Whether a directory's POSIX ACLs work in the guest (acl(5)): for `owner` `host` the host's own, for `mapped-xattr` stored
   * ones. Linux then asks for the ACLs of each file that it looks up, so a listing takes up to twice as long. Default: false;
   * setting an ACL is EOPNOTSUPP.
   */
  readonly acls?: boolean
  /**
   * Whom the guest's locks on a directory's files keep out: `host`, the host's programs, which keep out the guest; `guests`,
   * only programs of the guest. Default: `guests` if read-only, else `host`.
   */
  readonly locks?: 'guests' | 'host'
}

/** A disk: an image of the host's, or an empty disk that is gone with the machine. */
export type MachineDisk =
  | {
      /** The image. */
      readonly file: string
      /** Default: `raw`. */
      readonly format?: 'raw' | 'qcow2'
      /** Default: false. */
      readonly readOnly?: boolean
    }
  | {
      /** A number of MiB, or `512M`, `2G`. */
      readonly size: number | string
    }

/** A TCP port of the host's 127.0.0.1 that QEMU forwards to a port of the guest. */
export interface PortForward {
  readonly host: number
  readonly guest: number
}

/** A NIC of the guest that is connected to a switch. */
export interface Nic {
  /** The unix socket of a switch: frames, each behind its length (QEMU's `-netdev stream`). */
  readonly socket: string
  /** Six bytes as pairs of hexadecimal digits, with colons between them. */
  readonly mac: string
}
