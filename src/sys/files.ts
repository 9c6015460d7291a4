import { ErrnoError, errno } from './errno.ts'
import { AT_EMPTY_PATH } from './constants.ts'
import { call, lastErrno, raw } from './ffi.ts'
import { cString, emptyString, systemMemory } from './system-memory.ts'

/**
 * System calls on files, and nothing else: descriptors are numbers, names are byte strings, failures are
 * ErrnoErrors. The manual page of the same name, section 2, describes each.
 */
const native = {
  openat: call('int', 'openat', 'int', 'pointer', 'int', 'uint32'),
  close: raw('int', 'close', 'int'),
  pread: call('long', 'pread', 'int', 'pointer', 'size', 'int64'),
  pwrite: call('long', 'pwrite', 'int', 'pointer', 'size', 'int64'),
  lseek: call('long', 'lseek', 'int', 'int64', 'int'),
  getdents64: call('long', 'getdents64', 'int', 'pointer', 'size'),
  readlinkat: call('long', 'readlinkat', 'int', 'pointer', 'pointer', 'size'),
  symlinkat: call('int', 'symlinkat', 'pointer', 'int', 'pointer'),
  mkdirat: call('int', 'mkdirat', 'int', 'pointer', 'uint32'),
  // A system call by number: glibc has a function of that name only since 2.33.
  mknodat: call('long', 'syscall', 'int64', 'int64', 'pointer', 'int64', 'int64'),
  linkat: call('int', 'linkat', 'int', 'pointer', 'int', 'pointer', 'int'),
  renameat: call('int', 'renameat', 'int', 'pointer', 'int', 'pointer'),
  // By number, as mknodat: glibc has it since 2.28, and musl not at all.
  renameat2: call('long', 'syscall', 'int64', 'int64', 'pointer', 'int64', 'pointer', 'uint32'),
  fallocate: call('int', 'fallocate', 'int', 'int', 'int64', 'int64'),
  syncfs: call('int', 'syncfs', 'int'),
  copyFileRange: call(
    'long',
    'syscall',
    'int64',
    'int64',
    'pointer',
    'int64',
    'pointer',
    'size',
    'uint32',
  ),
  unlinkat: call('int', 'unlinkat', 'int', 'pointer', 'int'),
  chmod: call('int', 'chmod', 'pointer', 'uint32'),
  fchownat: call('int', 'fchownat', 'int', 'pointer', 'uint32', 'uint32', 'int'),
  utimensat: call('int', 'utimensat', 'int', 'pointer', 'pointer', 'int'),
  fstatfs: call('int', 'fstatfs', 'int', 'pointer'),
}

export const { pread, pwrite, lseek, getdents64 } = native
export const fsync = call('int', 'fsync', 'int')
export const fdatasync = call('int', 'fdatasync', 'int')
export const ftruncate = call('int', 'ftruncate', 'int', 'int64')

const fcntl = call('int', 'fcntl', 'int', 'int', 'size')
const F_SETFL = 4

/** Sets O_APPEND, O_NOATIME and O_NONBLOCK of an open file: F_SETFL of fcntl(2), which ignores the other flags. */
export function setStatusFlags(fd: number, flags: number): void {
  fcntl(fd, F_SETFL, flags)
}

/**
 * close(2). It is not repeated after EINTR: Linux has closed the descriptor even then, and its number may be
 * another file's by now. EINTR says nothing about the file.
 *
 * @throws ErrnoError for an earlier write that has failed.
 */
export function close(fd: number): void {
  if (native.close(fd) !== -1) return
  const number = lastErrno()
  if (number !== errno.EINTR) throw new ErrnoError(number, 'close')
}

/**
 * As {@link close}, for descriptors that nothing was written through, such as O_PATH: there is no failure to
 * report.
 */
export function discard(fd: number): void {
  native.close(fd)
}

/** For {@link fchown}: leaves this uid or gid as it is. */
export const UNCHANGED = 0xffffffff

/** openat(2). `name` is relative to `directory`, a descriptor. */
export function openat(directory: number, name: string, flags: number, mode = 0): number {
  return native.openat(directory, cString(name), flags, mode)
}

/**
 * The path for a descriptor's file, independent of the file's name (proc(5)). With it, calls without
 * AT_EMPTY_PATH reach the file of an O_PATH descriptor.
 */
export function descriptorPath(fd: number): string {
  return `/proc/self/fd/${fd}`
}

const target = systemMemory(4097)

/** readlinkat(2) of an O_PATH descriptor of a symlink itself. */
export function readlink(fd: number): string {
  const length = native.readlinkat(fd, emptyString(), target.address, 4097)
  return target.bytes.toString('latin1', 0, length)
}

/** symlinkat(2): `name` in `directory` points to `to`. */
export function symlinkat(to: string, directory: number, name: string): void {
  native.symlinkat(cString(to, 0), directory, cString(name, 1))
}

export function mkdirat(directory: number, name: string, mode: number): void {
  native.mkdirat(directory, cString(name), mode)
}

/**
 * The kernel's 32-bit encoding of a device number (new_encode_dev in include/linux/kdev_t.h).
 *
 * @throws ErrnoError EINVAL for a major of more than 12 bits or a minor of more than 20, which the kernel
 *   does not have.
 */
export function encodeDevice(major: number, minor: number): number {
  if (major > 0xfff || minor > 0xfffff) throw new ErrnoError(errno.EINVAL, 'device number')
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0
}

const SYS_mknodat = process.arch === 'arm64' ? 33 : 259

/** mknodat(2). `mode` has the S_IFMT bits. @throws ErrnoError also as {@link encodeDevice}. */
export function mknodat(
  directory: number,
  name: string,
  mode: number,
  major: number,
  minor: number,
): void {
  const device = encodeDevice(major, minor)
  native.mknodat(SYS_mknodat, directory, cString(name), mode, device)
}

export function linkat(
  from: number,
  oldName: string,
  to: number,
  newName: string,
  flags: number,
): void {
  native.linkat(from, cString(oldName, 0), to, cString(newName, 1), flags)
}

export function renameat(from: number, oldName: string, to: number, newName: string): void {
  native.renameat(from, cString(oldName, 0), to, cString(newName, 1))
}

const SYS_renameat2 = process.arch === 'arm64' ? 276 : 316

/** renameat2(2). @param flags RENAME_* of linux/fs.h. */
export function renameat2(
  from: number,
  oldName: string,
  to: number,
  newName: string,
  flags: number,
): void {
  native.renameat2(SYS_renameat2, from, cString(oldName, 0), to, cString(newName, 1), flags)
}

/** fallocate(2). */
export function fallocate(fd: number, mode: number, offset: number, length: number): void {
  native.fallocate(fd, mode, offset, length)
}

/** syncfs(2). The descriptor must not be an O_PATH one. */
export function syncfs(fd: number): void {
  native.syncfs(fd)
}

const SYS_copy_file_range = process.arch === 'arm64' ? 285 : 326
const offsets = systemMemory(16)

/** copy_file_range(2). Neither descriptor's position changes. @returns how many bytes were copied. */
export function copyFileRange(
  from: number,
  offset: number,
  to: number,
  toOffset: number,
  length: number,
): number {
  offsets.view.setBigInt64(0, BigInt(offset), true)
  offsets.view.setBigInt64(8, BigInt(toOffset), true)
  const { address } = offsets
  return native.copyFileRange(SYS_copy_file_range, from, address, to, address + 8, length, 0)
}

export function unlinkat(directory: number, name: string, flags: number): void {
  native.unlinkat(directory, cString(name), flags)
}

/** chmod(2) of a descriptor's file. O_PATH is enough. */
export function chmod(fd: number, mode: number): void {
  native.chmod(cString(descriptorPath(fd)), mode)
}

/** chown(2) of a descriptor's file, also of a symlink. O_PATH is enough. See {@link UNCHANGED}. */
export function fchown(fd: number, uid: number, gid: number): void {
  native.fchownat(fd, emptyString(), uid, gid, AT_EMPTY_PATH)
}

/** A time for {@link utimens}: seconds and nanoseconds, the present, or no change. */
export type FileTime = { readonly seconds: number; readonly nanoseconds: number } | 'now' | 'keep'

const UTIME_NOW = 0x3fffffff
const UTIME_OMIT = 0x3ffffffe
const times = systemMemory(32)

/** utimensat(2) of a descriptor's file, also of a symlink. O_PATH is enough (Linux ≥ 5.8). */
export function utimens(fd: number, accessed: FileTime, modified: FileTime): void {
  putTime(0, accessed)
  putTime(16, modified)
  native.utimensat(fd, emptyString(), times.address, AT_EMPTY_PATH)
}

function putTime(at: number, time: FileTime): void {
  const given = typeof time === 'object'
  times.view.setBigInt64(at, given ? BigInt(time.seconds) : 0n, true)
  const nanoseconds = given ? time.nanoseconds : time === 'now' ? UTIME_NOW : UTIME_OMIT
  times.view.setBigInt64(at + 8, BigInt(nanoseconds), true)
}

/** What statfs(2) says of the file system that a file lies in. */
export interface FileSystemStatistics {
  /** In bytes; the unit of `blocks`, `bfree` and `bavail`. */
  readonly bsize: number
  readonly blocks: bigint
  readonly bfree: bigint
  readonly bavail: bigint
  readonly files: bigint
  readonly ffree: bigint
  readonly fsid: bigint
  /** Longest name in bytes. */
  readonly namelen: number
}

/** struct statfs of 64-bit Linux (include/uapi/asm-generic/statfs.h). */
export interface FileSystem extends FileSystemStatistics {
  readonly type: number
}

const statfsBuffer = systemMemory(120)

/** fstatfs(2). O_PATH is enough. */
export function fstatfs(fd: number): FileSystem {
  native.fstatfs(fd, statfsBuffer.address)
  const { view } = statfsBuffer
  return {
    type: view.getUint32(0, true),
    bsize: view.getUint32(8, true),
    blocks: view.getBigUint64(16, true),
    bfree: view.getBigUint64(24, true),
    bavail: view.getBigUint64(32, true),
    files: view.getBigUint64(40, true),
    ffree: view.getBigUint64(48, true),
    fsid: view.getBigUint64(56, true),
    namelen: view.getUint32(64, true),
  }
}
