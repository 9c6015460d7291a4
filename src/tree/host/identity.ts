import type { Stat } from '../../sys/statx.ts'

/** Bits of an inode number below the prefix that tells file systems apart. */
const PREFIX_SHIFT = 48n
const PREFIXES = 0x1_0000

/**
 * A file's version: 32 bits that change whenever the content may have changed, since every write sets the
 * ctime and no program can set it back. Never 0. It depends on the file's own state alone, so a restarted
 * server answers the same.
 */
export function versionOf({
  ctimeSec,
  ctimeNsec,
  size,
}: Pick<Stat, 'ctimeSec' | 'ctimeNsec' | 'size'>): number {
  const mixed = Math.imul(ctimeSec | 0, 0x9e3779b1) ^ ctimeNsec ^ Math.imul(size | 0, 0x85ebca6b)
  return mixed >>> 0 || 1
}

/**
 * Makes one space of numbers from the inode numbers of all file systems that an export spans (bind
 * mounts, btrfs subvolumes, a tmpfs inside): two files never have the same number.
 *
 * The root's own file system keeps its numbers. Those of another one get a prefix of 16 bits, chosen
 * by what the file system calls itself (statfs(2)'s f_fsid), so that it is the same after a restart,
 * and never one that is taken. That holds for inode numbers below 2^48, which all file systems on
 * disks have. Larger ones, as a FUSE file system may make them up, count as one file system for each 2^48.
 */
export class InodeNumbers {
  readonly #rootDevice: number
  /** By device and the bits of the inode number that the prefix takes the place of. */
  readonly #prefixes = new Map<string, bigint>()
  readonly #taken = new Set<number>()
  /** f_fsid by device. */
  readonly #names = new Map<number, bigint>()

  constructor(rootDevice: number) {
    this.#rootDevice = rootDevice
  }

  /** @param fsid what the file system on `device` calls itself; 0 when it says nothing. */
  learn(device: number, fsid: bigint): void {
    if (fsid !== 0n) this.#names.set(device, fsid)
  }

  /** The number that stands for inode `ino` on `device`. */
  of(ino: bigint, device: number): bigint {
    if (device === this.#rootDevice) return ino
    const high = ino >> PREFIX_SHIFT
    const key = `${device}:${high}`
    let prefix = this.#prefixes.get(key)
    if (prefix === undefined) {
      prefix = BigInt(this.#choose(hash((this.#names.get(device) ?? BigInt(device)) ^ high)))
      this.#prefixes.set(key, prefix)
    }
    return (prefix << PREFIX_SHIFT) | BigInt.asUintN(48, ino)
  }

  /** The prefix of inode `ino` on `device`; 0 on the root's own. */
  prefixOf(ino: bigint, device: number): number {
    return device === this.#rootDevice ? 0 : Number(this.of(ino, device) >> PREFIX_SHIFT)
  }

  /** Uses the prefix that another server used, if this inode has none yet and that one is free. */
  keep(ino: bigint, device: number, prefix: number): void {
    const key = `${device}:${ino >> PREFIX_SHIFT}`
    if (device === this.#rootDevice || this.#prefixes.has(key) || this.#taken.has(prefix)) return
    this.#prefixes.set(key, BigInt(prefix))
    this.#taken.add(prefix)
  }

  /** The first prefix from `start` on that is free; 0 is the root's. */
  #choose(start: number): number {
    let prefix = start % PREFIXES
    // A file system that makes up more numbers than there are prefixes shares them.
    while ((prefix === 0 || this.#taken.has(prefix)) && this.#taken.size < PREFIXES - 1) {
      prefix = (prefix + 1) % PREFIXES
    }
    this.#taken.add(prefix)
    return prefix || 1
  }
}

/** 32 bits of a number, well mixed. */
function hash(value: bigint): number {
  const low = Number(BigInt.asUintN(32, value))
  const high = Number(BigInt.asUintN(32, value >> 32n))
  const mixed = Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1)
  return (mixed ^ (mixed >>> 15)) >>> 0
}

/** File systems on which a file's time of birth never changes (include/uapi/linux/magic.h). */
const keepBirth = new Set([
  0xef53, // ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0xf2f52010, // f2fs
  0x01021994, // tmpfs
])

/** Whether statfs(2)'s f_type is one of them. On overlayfs it changes with a copy-up, for example. */
export function keepsBirth(type: number): boolean {
  return keepBirth.has(type)
}
