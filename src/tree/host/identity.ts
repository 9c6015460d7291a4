import type { Stat } from '../../sys/statx.ts'

/** The number of low bits of an inode number that the prefix of its file system leaves. */
const PREFIX_SHIFT = 48n
const PREFIXES = 0x1_0000

/**
 * A file's version: 32 bits that change whenever the content may have changed, since every write sets the
 * ctime and no program can set it back. It is never 0. It depends only on the file's state, so a restarted
 * server gives the same version.
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
 * Makes one space of inode numbers out of those of all file systems in an export (bind mounts, btrfs
 * subvolumes, a tmpfs inside): two files never have the same number.
 *
 * The root's own file system keeps its numbers. Another file system's numbers get a prefix of 16 bits. The
 * prefix is derived from statfs(2)'s f_fsid, so it is the same after a restart; if it is taken, the next free
 * one is used. This works for inode numbers below 2^48, which all file systems on disks have. Larger numbers,
 * as a FUSE file system may have, count as one file system for each 2^48.
 */
export class InodeNumbers {
  readonly #rootDevice: number
  /** By device, and by the bits of the inode number that the prefix replaces. */
  readonly #prefixes = new Map<string, bigint>()
  readonly #taken = new Set<number>()
  /** f_fsid by device. */
  readonly #names = new Map<number, bigint>()

  constructor(rootDevice: number) {
    this.#rootDevice = rootDevice
  }

  /** @param fsid statfs(2)'s f_fsid of the file system on `device`; 0 if it has none. */
  learn(device: number, fsid: bigint): void {
    if (fsid !== 0n) this.#names.set(device, fsid)
  }

  /** The guest's number for inode `ino` on `device`. */
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

  /** The prefix for inode `ino` on `device`; 0 on the root's file system. */
  prefixOf(ino: bigint, device: number): number {
    return device === this.#rootDevice ? 0 : Number(this.of(ino, device) >> PREFIX_SHIFT)
  }

  /** Uses the prefix of another server, if it is free and this inode has none yet. */
  keep(ino: bigint, device: number, prefix: number): void {
    const key = `${device}:${ino >> PREFIX_SHIFT}`
    if (device === this.#rootDevice || this.#prefixes.has(key) || this.#taken.has(prefix)) return
    this.#prefixes.set(key, BigInt(prefix))
    this.#taken.add(prefix)
  }

  /** The first free prefix from `start` on. 0 is the root's. */
  #choose(start: number): number {
    let prefix = start % PREFIXES
    // All prefixes are taken: inode numbers of this file system may then be those of another's files.
    while ((prefix === 0 || this.#taken.has(prefix)) && this.#taken.size < PREFIXES - 1) {
      prefix = (prefix + 1) % PREFIXES
    }
    this.#taken.add(prefix)
    return prefix || 1
  }
}

/** Mixes the bits of a number into 32 bits. */
function hash(value: bigint): number {
  const low = Number(BigInt.asUintN(32, value))
  const high = Number(BigInt.asUintN(32, value >> 32n))
  const mixed = Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1)
  return (mixed ^ (mixed >>> 15)) >>> 0
}
