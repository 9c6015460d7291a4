import { mebibytes, parseBytes } from '../util/size.ts'
import type { CacheMode } from '../guest/mount.ts'
import type { AcceleratorChoice } from '../machine/accelerator.ts'
import type { BootPhase, NetworkCard } from '../machine/plan.ts'
import type { transportChoices } from '../machine/transport.ts'
import type { Ownership } from '../tree/host/owners.ts'
import type { ViewPatterns } from '../tree/view/sight.ts'
import type { TestContext } from './owning-test.ts'
import type { TestReference } from '../record/event.ts'
import type { Tree } from '../tree/tree.ts'

/** A machine, as {@link boot} makes it. What is left out is as a test would have it. */
export interface BootOptions {
  /** The directory of the host that is the root's lower layer, never changed. Default: `/`. */
  readonly root?: string
  /** Whom its files belong to in the guest. Default: as they are if the directory is root's, else root. */
  readonly rootOwner?: Ownership
  /** Which part of it the guest sees. Default: all. */
  readonly rootView?: ViewPatterns
  /** Where the guest's writes go: memory, or a disk that lasts. Default: `tmpfs`. */
  readonly upper?: 'tmpfs' | UpperDisk
  /** Its host name, and its name in messages and artifacts. Default: `machine`. */
  readonly name?: string
  /** The guest's memory: a number of MiB, or `512M`, `2G`. Default: 1024. */
  readonly memory?: number | string
  /** Its processors. Default: 1. */
  readonly cpus?: number
  /** What is process 1: systemd where the root has it (`auto`), or nothing but a shell. Default: `auto`. */
  readonly init?: 'auto' | 'systemd' | 'none'
  /**
   * Units that systemd is not to start, in place of those that have nothing to do in such a guest (guest/systemd.ts);
   * an empty list lets all of them start, and its generators run as well.
   */
  readonly maskedUnits?: readonly string[]
  /** What the guest mounts beside its root. Default: nothing. */
  readonly shares?: readonly MachineShare[]
  /** Further disks, in order: /dev/vda, or /dev/vdb behind an upper disk, and so on. Default: none. */
  readonly disks?: readonly MachineDisk[]
  /** TCP ports of the host's 127.0.0.1 that lead to ports of the guest. Default: none. */
  readonly forwardPorts?: readonly { readonly host: number; readonly guest: number }[]
  /** Whether eth0 reaches nothing but what reaches it. Default: true. */
  readonly restrictNetwork?: boolean
  /** Whether there is a graphics card, for {@link Machine.screenshot} and the terminals. Default: true. */
  readonly screen?: boolean
  /** `kvm` fails where it cannot be used. Default: `auto`. */
  readonly accel?: AcceleratorChoice
  /** How files get to the guest. A machine that is to be saved takes `tcp`. Default: `auto`. */
  readonly transport?: (typeof transportChoices)[number]
  /**
   * The largest 9P message to and from its root and its shares: a number of bytes, or `64K`, `1M`. From 4096 bytes to
   * 512,000 over vhost-user and 1 MiB over tcp, which are the default.
   */
  readonly msize?: number | string
  /** The kernel's image. Default: the one that `lowerdir setup` has fetched. */
  readonly kernel?: string
  /** Further arguments for it. */
  readonly kernelArguments?: string
  /**
   * A file with a cpio archive ("newc"), compressed or not, or with several: the kernel unpacks it before it unpacks ours.
   * It may bring ACPI tables (kernel/firmware/acpi) and microcode (kernel/x86/microcode), where it is not compressed, and
   * firmware for drivers (lib/firmware). Default: none.
   */
  readonly initrd?: string
  /** The QEMU to use. Default: the newest that is here. */
  readonly qemu?: string
  /** Further arguments for it. */
  readonly qemuArguments?: readonly string[]
  /** Variables of all commands' environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Seconds until the guest must be ready. Default: 60, or 300 where it is emulated. */
  readonly timeout?: number
  /** Aborting it ends the machine, also later on. */
  readonly signal?: AbortSignal
  /** The folder for what is left for people to look at. Default: `$LOWERDIR_ARTIFACTS`, else nowhere. */
  readonly artifacts?: string
  /**
   * Whose machine it is. Given what the function of a test gets, of node:test's or Vitest's, it is that test's: it ends with
   * the test, however that ends, and where the test has failed, its journal and its screen are kept among the artifacts
   * first. Otherwise it is for the report alone, which goes by the time where nobody says it.
   */
  readonly test?: TestContext | TestReference
  /** Leave the machine's files where they are. Default: false. */
  readonly keep?: boolean
  /** Hears how far the boot is. */
  readonly onPhase?: (phase: BootPhase) => void
}

/**
 * A disk that is the upper layer, so that what the guest writes outlasts it. It gets an ext4 file system when it is
 * empty; one that has something else on it is refused. Two machines cannot have it at once.
 */
export interface UpperDisk {
  /** A raw image; made, sparse and empty, where there is none. */
  readonly disk: string
  /** Its size when it is made: a number of MiB, or `512M`, `2G`. Default: `4G`. */
  readonly size?: number | string
}

/** A share: a directory of the host, or a tree of any kind (see {@link share}). */
export interface MachineShare {
  readonly source: string | Tree
  /** An absolute path of the guest. */
  readonly target: string
  /** Default: false. */
  readonly readOnly?: boolean
  /** Whom a directory's files belong to in the guest. Default: the host's owners. */
  readonly owner?: Ownership
  /** What the guest keeps of it. Default: `mmap`; `none` for a tree of functions. */
  readonly cache?: CacheMode
}

/** A disk: an image of the host's, or an empty one that is gone with the machine. */
export type MachineDisk =
  | {
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

/** What a network adds to a machine that is in it. */
export interface NetworkSeat {
  readonly cards: readonly NetworkCard[]
  /** For busybox's shell in the guest's root, before its init. */
  readonly script: string
  block(): void
  unblock(): void
}

/** A machine's memory in MiB. @throws RangeError for what is no size. */
export function memoryMiB({ memory = 1024 }: Pick<BootOptions, 'memory'>): number {
  return mebibytes(memory, 'memory')
}

/** A machine's largest message in bytes; null where it says nothing of it. @throws RangeError for what is no size. */
export function messageSize({ msize }: Pick<BootOptions, 'msize'>): number | null {
  if (msize === undefined) return null
  const value = parseBytes(String(msize))
  if (value !== undefined) return value
  throw new RangeError(`msize: ${msize} is no size. Say a number of bytes, 64K or 1M.`)
}
