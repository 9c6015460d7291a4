import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW } from './constants.ts'
import { encodeDevice } from './files.ts'
import { call } from './ffi.ts'
import { type SystemMemory, cString, emptyString, systemMemory } from './system-memory.ts'

const native = call('int', 'statx', 'int', 'pointer', 'int', 'uint32', 'pointer')

/** STATX_BASIC_STATS | STATX_BTIME. */
const MASK = 0xfff
const STATX_BTIME = 0x800
const TWO_32 = 0x1_0000_0000

/** sizeof(struct statx). */
const STAT_BYTES = 256

/** A {@link Stat} with memory of its own would take twice as long to make as statx(2). */
const STATS_PER_BLOCK = 64
let block: SystemMemory | undefined
let used = 0

/**
 * An answer of statx(2), read from the memory that the call has filled. Its layout is the same on every
 * architecture, and a field that is not read costs nothing. The code that made it owns it and may have
 * {@link statx} fill it again.
 */
export class Stat {
  /** The struct's address. */
  readonly address: number
  readonly #view: DataView
  readonly #at: number

  constructor() {
    if (block === undefined || used === STATS_PER_BLOCK) {
      block = systemMemory(STATS_PER_BLOCK * STAT_BYTES)
      used = 0
    }
    this.#view = block.view
    this.#at = used++ * STAT_BYTES
    this.address = block.address + this.#at
  }

  get blksize(): number {
    return this.#view.getUint32(this.#at + 4, true)
  }
  get nlink(): number {
    return this.#view.getUint32(this.#at + 16, true)
  }
  get uid(): number {
    return this.#view.getUint32(this.#at + 20, true)
  }
  get gid(): number {
    return this.#view.getUint32(this.#at + 24, true)
  }
  /** File type and permissions. */
  get mode(): number {
    return this.#view.getUint16(this.#at + 28, true)
  }
  get ino(): bigint {
    return this.#view.getBigUint64(this.#at + 32, true)
  }
  /** The two halves of the inode number as signed numbers, for comparisons without a bigint. */
  get inoLow(): number {
    return this.#view.getInt32(this.#at + 32, true)
  }
  get inoHigh(): number {
    return this.#view.getInt32(this.#at + 36, true)
  }
  get size(): number {
    return this.#u64(40)
  }
  /** In units of 512 bytes. */
  get blocks(): number {
    return this.#u64(48)
  }
  get atimeSec(): number {
    return this.#i64(64)
  }
  get atimeNsec(): number {
    return this.#view.getUint32(this.#at + 72, true)
  }
  /** Whether the file system knows when the file was born. */
  get hasBtime(): boolean {
    return (this.#view.getUint32(this.#at + 0, true) & STATX_BTIME) !== 0
  }
  get btimeSec(): number {
    return this.#i64(80)
  }
  get btimeNsec(): number {
    return this.#view.getUint32(this.#at + 88, true)
  }
  /** 31 bits of the time of birth, for comparisons; 0 where the file system does not know it. */
  get birth(): number {
    if (!this.hasBtime) return 0
    return (
      (this.#view.getUint32(this.#at + 80, true) ^
        Math.imul(this.#view.getUint32(this.#at + 88, true), 0x9e3779b1)) >>>
      1
    )
  }
  /** When the file was born, in milliseconds since 1970; not a number to rely on where {@link hasBtime} is false. */
  get bornAt(): number {
    return this.btimeSec * 1000 + this.btimeNsec / 1e6
  }
  get ctimeSec(): number {
    return this.#i64(96)
  }
  get ctimeNsec(): number {
    return this.#view.getUint32(this.#at + 104, true)
  }
  get mtimeSec(): number {
    return this.#i64(112)
  }
  get mtimeNsec(): number {
    return this.#view.getUint32(this.#at + 120, true)
  }
  get rdev(): number {
    return encodeDevice(
      this.#view.getUint32(this.#at + 128, true),
      this.#view.getUint32(this.#at + 132, true),
    )
  }
  /** The device that holds the file, encoded like rdev. */
  get dev(): number {
    return encodeDevice(
      this.#view.getUint32(this.#at + 136, true),
      this.#view.getUint32(this.#at + 140, true),
    )
  }

  #u64(at: number): number {
    const start = this.#at + at
    return this.#view.getUint32(start + 4, true) * TWO_32 + this.#view.getUint32(start, true)
  }

  #i64(at: number): number {
    const start = this.#at + at
    return this.#view.getInt32(start + 4, true) * TWO_32 + this.#view.getUint32(start, true)
  }
}

/**
 * statx(2) of a descriptor's file. O_PATH is enough.
 *
 * @param into is filled and returned. Code that serves requests passes one that it keeps.
 * @throws ErrnoError as statx(2); `into` may have changed.
 */
export function statx(fd: number, into: Stat = new Stat()): Stat {
  native(fd, emptyString(), AT_EMPTY_PATH, MASK, into.address)
  return into
}

/** statx(2) of `name` in a directory. A symlink is not followed. `into` and errors as for {@link statx}. */
export function statxAt(directory: number, name: string, into: Stat = new Stat()): Stat {
  native(directory, cString(name), AT_SYMLINK_NOFOLLOW, MASK, into.address)
  return into
}
