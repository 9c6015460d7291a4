import { AT_EMPTY_PATH } from './constants.ts'
import { call } from './ffi.ts'
import { emptyString, systemMemory } from './memory.ts'

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

export const stat = new Stat()

/** statx(2) of a descriptor's file; O_PATH will do. The answer stands in {@link stat}. */
export function statx(fd: number): typeof stat {
  native(fd, emptyString(), AT_EMPTY_PATH, MASK, buffer.address)
  return stat
}

/** The kernel's 32-bit encoding of a device number (new_encode_dev in include/linux/kdev_t.h). */
function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0
}

function u64(at: number): number {
  return view.getUint32(at + 4, true) * TWO_32 + view.getUint32(at, true)
}

function i64(at: number): number {
  return view.getInt32(at + 4, true) * TWO_32 + view.getUint32(at, true)
}
