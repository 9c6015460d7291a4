import { constants } from 'node:os'
import koffi from 'koffi'
import type { Time } from './fs.ts'

/**
 * System calls that Node has no function for. They work on the kernel of the machine that this runs
 * on, a guest's included. Paths are byte strings; what fails throws a {@link SystemError}.
 */
const library = koffi.load(null)

/** What a call failed with, named as Node names it. */
export class SystemError extends Error {
  override readonly name = 'SystemError'
  readonly code: string

  constructor(operation: string, errno: number) {
    const code = errnoNames.get(errno) ?? `errno ${errno}`
    super(`${operation}: ${code}`)
    this.code = code
  }
}

/** Two numbers have two names each; the one that 9P's side uses comes last. */
const errnoNames = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => name !== 'ENOTSUP' && name !== 'EWOULDBLOCK')
    .map(([name, number]) => [number, name]),
)

/** Those that return no int. */
const long = new Set(['copy_file_range', 'getdents64', 'lgetxattr', 'llistxattr', 'lseek', 'mmap'])

type Value = number | bigint | Uint8Array | null

function call(name: string, ...types: string[]): (...values: Value[]) => number {
  const result = long.has(name) ? 'intptr_t' : 'int'
  const native = library.func(name, result, types) as (...values: Value[]) => number
  return (...values) => {
    const value = native(...values)
    if (value === -1) throw new SystemError(name, koffi.errno())
    return value
  }
}

/** A byte string as a C string. */
function c(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'latin1')
}

const AT_FDCWD = -100
const PATH = 'const void *'

const AT_SYMLINK_NOFOLLOW = 0x100
const AT_SYMLINK_FOLLOW = 0x400

export const fallocate = call('fallocate', 'int', 'int', 'int64_t', 'int64_t')
export const fchown = call('fchown', 'int', 'uint', 'uint')
export const flock = call('flock', 'int', 'int')
export const lseek = call('lseek', 'int', 'int64_t', 'int')

const native = {
  copyFileRange: call('copy_file_range', 'int', 'void *', 'int', 'void *', 'size_t', 'uint'),
  fchownat: call('fchownat', 'int', PATH, 'uint', 'uint', 'int'),
  fcntl: library.func('fcntl', 'int', ['int', 'int', '...']) as (...values: unknown[]) => number,
  futimens: call('futimens', 'int', 'void *'),
  getdents64: call('getdents64', 'int', 'void *', 'size_t'),
  lgetxattr: call('lgetxattr', PATH, PATH, 'void *', 'size_t'),
  linkat: call('linkat', 'int', PATH, 'int', PATH, 'int'),
  llistxattr: call('llistxattr', PATH, 'void *', 'size_t'),
  lremovexattr: call('lremovexattr', PATH, PATH),
  lsetxattr: call('lsetxattr', PATH, PATH, PATH, 'size_t', 'int'),
  mknod: call('mknod', PATH, 'uint', 'uint64_t'),
  mmap: call('mmap', 'void *', 'size_t', 'int', 'int', 'int', 'int64_t'),
  munmap: call('munmap', 'void *', 'size_t'),
  open: library.func('open', 'int', [PATH, 'int', '...']) as (...values: unknown[]) => number,
  renameat2: call('renameat2', 'int', PATH, 'int', PATH, 'uint'),
  utimensat: call('utimensat', 'int', PATH, 'void *', 'int'),
}

/** open(2) with flags that Node would not take. */
export function open(path: string, flags: number, mode = 0): number {
  const fd = native.open(c(path), flags, 'uint', mode)
  if (fd < 0) throw new SystemError('open', koffi.errno())
  return fd
}

/** copy_file_range(2) from and to where the descriptors stand. */
export function copyFileRange(from: number, to: number, length: number): number {
  return native.copyFileRange(from, null, to, null, length, 0)
}

/** lchown(2). */
export function lchown(path: string, uid: number, gid: number): void {
  native.fchownat(AT_FDCWD, c(path), uid, gid, AT_SYMLINK_NOFOLLOW)
}

/** Gives an open file a name, also one that has none. */
export function linkDescriptor(fd: number, path: string): void {
  native.linkat(AT_FDCWD, c(`/proc/self/fd/${fd}`), AT_FDCWD, c(path), AT_SYMLINK_FOLLOW)
}

/** `mode` says what it is, too (S_IFMT). */
export function mknod(path: string, mode: number, device = 0): void {
  native.mknod(c(path), mode, device)
}

export const RENAME_NOREPLACE = 1
export const RENAME_EXCHANGE = 2

export function renameat2(from: string, to: string, flags: number): void {
  native.renameat2(AT_FDCWD, c(from), AT_FDCWD, c(to), flags)
}

/** Of a symlink itself. */
export function lutimens(path: string, accessed: Time, modified: Time): void {
  native.utimensat(AT_FDCWD, c(path), timespecs(accessed, modified), AT_SYMLINK_NOFOLLOW)
}

export function futimens(fd: number, accessed: Time, modified: Time): void {
  native.futimens(fd, timespecs(accessed, modified))
}

const UTIME_NOW = 0x3fffffffn
const UTIME_OMIT = 0x3ffffffen

function timespecs(...times: Time[]): Buffer {
  const buffer = Buffer.alloc(32)
  for (const [i, time] of times.entries()) {
    const given = typeof time === 'bigint' ? time : 0n
    // Of a time before 1970 the nanoseconds count up, too.
    const rest = ((given % SECOND) + SECOND) % SECOND
    const nanoseconds = time === 'now' ? UTIME_NOW : time === 'keep' ? UTIME_OMIT : rest
    buffer.writeBigInt64LE((given - rest) / SECOND, i * 16)
    buffer.writeBigInt64LE(nanoseconds, i * 16 + 8)
  }
  return buffer
}

const SECOND = 1_000_000_000n

/** What getdents64(2) puts into `bytes` of room: linux_dirent64, one after the other. */
export function getdents(
  fd: number,
  bytes: number,
): { name: string; type: number; offset: bigint }[] {
  const buffer = Buffer.alloc(bytes)
  const end = native.getdents64(fd, buffer, bytes)
  const entries = []
  for (let at = 0; at < end; at += buffer.readUInt16LE(at + 16)) {
    const name = buffer.toString('latin1', at + 19, buffer.indexOf(0, at + 19))
    entries.push({ name, type: buffer[at + 18]!, offset: buffer.readBigInt64LE(at + 8) })
  }
  return entries
}

export const XATTR_CREATE = 1
export const XATTR_REPLACE = 2

/** Attributes of `path` itself. */
export const xattr = {
  set(path: string, name: string, value: Uint8Array, flags = 0): void {
    native.lsetxattr(c(path), c(name), value, value.length, flags)
  },
  get(path: string, name: string, room = 65_536): Buffer {
    const buffer = Buffer.alloc(room)
    return buffer.subarray(0, native.lgetxattr(c(path), c(name), buffer, room))
  },
  /** How long it is. */
  size(path: string, name: string): number {
    return native.lgetxattr(c(path), c(name), null, 0)
  },
  list(path: string): string[] {
    const buffer = Buffer.alloc(65_536)
    const end = native.llistxattr(c(path), buffer, buffer.length)
    return buffer.toString('latin1', 0, end).split('\0').slice(0, -1)
  },
  remove(path: string, name: string): void {
    native.lremovexattr(c(path), c(name))
  },
}

export const LOCK_SH = 1
export const LOCK_EX = 2
export const LOCK_NB = 4
export const LOCK_UN = 8

const F_OFD_GETLK = 36
const F_OFD_SETLK = 37
export const lockTypes = { read: 0, write: 1, none: 2 } as const

/**
 * Sets or clears a lock of the open file's own (fcntl(2), "Open file description locks"), which
 * another open file of the same process runs into as well.
 */
export function lockRange(
  fd: number,
  type: keyof typeof lockTypes,
  start: number,
  length: number,
): void {
  const lock = flockStruct(type, start, length)
  if (native.fcntl(fd, F_OFD_SETLK, 'void *', lock) < 0) {
    throw new SystemError('fcntl', koffi.errno())
  }
}

/** The type of a lock that would be in the way of one for writing. */
export function lockInTheWay(fd: number, start: number, length: number): number {
  const lock = flockStruct('write', start, length)
  if (native.fcntl(fd, F_OFD_GETLK, 'void *', lock) < 0) {
    throw new SystemError('fcntl', koffi.errno())
  }
  return lock.readInt16LE(0)
}

/** struct flock of 64-bit Linux: l_type[2] l_whence[2] pad[4] l_start[8] l_len[8] l_pid[4] pad[4] */
function flockStruct(type: keyof typeof lockTypes, start: number, length: number): Buffer {
  const lock = Buffer.alloc(32)
  lock.writeInt16LE(lockTypes[type], 0)
  lock.writeBigInt64LE(BigInt(start), 8)
  lock.writeBigInt64LE(BigInt(length), 16)
  return lock
}

/** Maps a file for reading and, unless told otherwise, writing: its changes shared with everybody or kept to this mapping. */
export function map(
  fd: number,
  length: number,
  how: 'shared' | 'private',
  protection: 'read' | 'read and write' = 'read and write',
): Mapping {
  const bits = protection === 'read' ? PROT_READ : PROT_READ_WRITE
  const address = native.mmap(null, length, bits, how === 'shared' ? 1 : 2, fd, 0)
  const bytes = Buffer.from(koffi.view(BigInt(address), length))
  return { bytes, unmap: () => void native.munmap(BigInt(address), length) }
}

const PROT_READ = 1
const PROT_READ_WRITE = 3

export interface Mapping {
  readonly bytes: Buffer
  readonly unmap: () => void
}
