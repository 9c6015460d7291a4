import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW } from './constants.ts'
import { encodeDevice } from './device.ts'
import { call } from './ffi.ts'
import { cString, emptyString, systemMemory } from './system-memory.ts'

const native = call('int', 'statx', 'int', 'pointer', 'int', 'uint32', 'pointer')

/** STATX_BASIC_STATS | STATX_BTIME. */
const MASK = 0xfff
const STATX_BTIME = 0x800
const TWO_32 = 0x1_0000_0000

const buffer = systemMemory(256)
const { view } = buffer

/**
 * What statx(2) said last on this thread, read from the call's own buffer: its layout is the same
 * on every architecture. The next {@link statx} overwrites it, so take what you need at once.
 */
class Stat {
  get blksize(): number {
    return view.getUint32(4, true)
  }
  get nlink(): number {
    return view.getUint32(16, true)
  }
  get uid(): number {
    return view.getUint32(20, true)
  }
  get gid(): number {
    return view.getUint32(24, true)
  }
  /** File type and permissions. */
  get mode(): number {
    return view.getUint16(28, true)
  }
  get ino(): bigint {
    return view.getBigUint64(32, true)
  }
  /** The two halves of the inode number as signed numbers, for comparisons without a bigint. */
  get inoLow(): number {
    return view.getInt32(32, true)
  }
  get inoHigh(): number {
    return view.getInt32(36, true)
  }
  get size(): number {
    return u64(40)
  }
  /** In units of 512 bytes. */
  get blocks(): number {
    return u64(48)
  }
  get atimeSec(): number {
    return i64(64)
  }
  get atimeNsec(): number {
    return view.getUint32(72, true)
  }
  /** Whether the file system knows when the file was born. */
  get hasBtime(): boolean {
    return (view.getUint32(0, true) & STATX_BTIME) !== 0
  }
  get btimeSec(): number {
    return i64(80)
  }
  get btimeNsec(): number {
    return view.getUint32(88, true)
  }
  /** 31 bits of the time of birth, for comparisons; 0 where the file system does not know it. */
  get birth(): number {
    if (!this.hasBtime) return 0
    return (view.getUint32(80, true) ^ Math.imul(view.getUint32(88, true), 0x9e3779b1)) >>> 1
  }
  get ctimeSec(): number {
    return i64(96)
  }
  get ctimeNsec(): number {
    return view.getUint32(104, true)
  }
  get mtimeSec(): number {
    return i64(112)
  }
  get mtimeNsec(): number {
    return view.getUint32(120, true)
  }
  get rdev(): number {
    return encodeDevice(view.getUint32(128, true), view.getUint32(132, true))
  }
  /** The device that holds the file, encoded like rdev. */
  get dev(): number {
    return encodeDevice(view.getUint32(136, true), view.getUint32(140, true))
  }
}

export type { Stat }

export const lastStat: Stat = new Stat()

/** statx(2) of a descriptor's file; O_PATH will do. The answer stands in {@link lastStat}. */
export function statx(fd: number): Stat {
  native(fd, emptyString(), AT_EMPTY_PATH, MASK, buffer.address)
  return lastStat
}

/** statx(2) of `name` in a directory; a symlink is not followed. */
export function statxAt(directory: number, name: string): Stat {
  native(directory, cString(name), AT_SYMLINK_NOFOLLOW, MASK, buffer.address)
  return lastStat
}

function u64(at: number): number {
  return view.getUint32(at + 4, true) * TWO_32 + view.getUint32(at, true)
}

function i64(at: number): number {
  return view.getInt32(at + 4, true) * TWO_32 + view.getUint32(at, true)
}
