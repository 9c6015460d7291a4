import { ErrnoError, errno } from './errno.ts'
import { O_RDWR, O_WRONLY } from './constants.ts'
import { call } from './ffi.ts'
import { systemMemory } from './system-memory.ts'

/**
 * Locks of ranges that belong to an open file description, not to a process ("Open file description
 * locks" in fcntl(2)): closing another descriptor of the same file does not drop them.
 */
const fcntl = call('int', 'fcntl', 'int', 'int', 'pointer')

const F_GETFL = 3
const O_ACCMODE = 3
const F_OFD_GETLK = 36
const F_OFD_SETLK = 37
const F_DUPFD_CLOEXEC = 1030

/** l_type: the same numbers on x86-64 and aarch64 (include/uapi/asm-generic/fcntl.h). */
const types = { read: 0, write: 1, none: 2 } as const

export type OfdLockType = keyof typeof types

/** struct flock of 64-bit Linux: l_type[2] l_whence[2] pad[4] l_start[8] l_len[8] l_pid[4] pad[4] */
const flock = systemMemory(32)
const START = 8
const LENGTH = 16

const OFFSET_MAX = 0x7fff_ffff_ffff_ffffn

/** A range of a file; `end` is its last byte, at most 2^63 - 1. */
export interface OfdRange {
  readonly start: bigint
  readonly end: bigint
}

/**
 * F_OFD_SETLK: locks the range for the descriptor's open file description, or unlocks it.
 *
 * @returns false when the lock of another open file description conflicts.
 * @throws ErrnoError EBADF if the descriptor's access mode does not allow this type of lock, ENOLCK, …
 */
export function setOfdLock(fd: number, type: OfdLockType, range: OfdRange): boolean {
  fill(type, range)
  try {
    fcntl(fd, F_OFD_SETLK, flock.address)
    return true
  } catch (error) {
    const held =
      error instanceof ErrnoError && (error.errno === errno.EAGAIN || error.errno === errno.EACCES)
    if (held) return false
    throw error
  }
}

/** F_OFD_GETLK: a lock that conflicts with `type`, if there is one. Any descriptor is good enough. */
export function ofdConflict(
  fd: number,
  type: 'read' | 'write',
  range: OfdRange,
): ({ readonly type: 'read' | 'write' } & OfdRange) | undefined {
  fill(type, range)
  fcntl(fd, F_OFD_GETLK, flock.address)
  const found = flock.view.getInt16(0, true)
  if (found === types.none) return undefined
  const start = flock.view.getBigInt64(START, true)
  const length = flock.view.getBigInt64(LENGTH, true)
  return {
    type: found === types.write ? 'write' : 'read',
    start,
    end: length === 0n ? OFFSET_MAX : start + length - 1n,
  }
}

/** What a descriptor was opened for (F_GETFL). */
export function accessMode(fd: number): 'read' | 'write' | 'both' {
  const mode = fcntl(fd, F_GETFL, 0) & O_ACCMODE
  return mode === O_RDWR ? 'both' : mode === O_WRONLY ? 'write' : 'read'
}

const nativeFlock = call('int', 'flock', 'int', 'int')
const LOCK_EX = 2
const LOCK_NB = 4

/**
 * flock(2): locks a file or directory for the descriptor's open file description.
 *
 * @returns false when another one has it locked. @throws ErrnoError as flock(2).
 */
export function lockWhole(fd: number): boolean {
  try {
    nativeFlock(fd, LOCK_EX | LOCK_NB)
    return true
  } catch (error) {
    if (error instanceof ErrnoError && error.errno === errno.EAGAIN) return false
    throw error
  }
}

/** Another descriptor of the same open file description (F_DUPFD_CLOEXEC). */
export function duplicate(fd: number): number {
  return fcntl(fd, F_DUPFD_CLOEXEC, 0)
}

function fill(type: OfdLockType, { start, end }: OfdRange): void {
  // l_whence is SEEK_SET and l_pid must be 0.
  flock.bytes.fill(0)
  flock.view.setInt16(0, types[type], true)
  flock.view.setBigInt64(START, start, true)
  // In struct flock, 0 means to the end of the file, however long it gets.
  flock.view.setBigInt64(LENGTH, end === OFFSET_MAX ? 0n : end - start + 1n, true)
}
