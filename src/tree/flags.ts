/**
 * The numbers that a tree and the wire protocol share. They are the generic Linux values on every
 * architecture; host/open-flags.ts translates those that differ on the host.
 */

/** Flags of an open (include/uapi/asm-generic/fcntl.h). */
export const openFlags = {
  ACCMODE: 0o3,
  RDONLY: 0o0,
  WRONLY: 0o1,
  RDWR: 0o2,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DSYNC: 0o10000,
  FASYNC: 0o20000,
  DIRECT: 0o40000,
  LARGEFILE: 0o100000,
  DIRECTORY: 0o200000,
  NOFOLLOW: 0o400000,
  NOATIME: 0o1000000,
  CLOEXEC: 0o2000000,
  SYNC: 0o4000000,
} as const

/** Whether an open with these flags may change the file. */
export function changesFile(flags: number): boolean {
  return (flags & openFlags.ACCMODE) !== openFlags.RDONLY || (flags & openFlags.TRUNC) !== 0
}

/** Bits of a mode: the file's type (S_IFMT and its values) and permissions (include/uapi/linux/stat.h). */
export const modes = {
  TYPE: 0o170000,
  SOCKET: 0o140000,
  SYMLINK: 0o120000,
  FILE: 0o100000,
  BLOCK: 0o060000,
  DIRECTORY: 0o040000,
  CHAR: 0o020000,
  FIFO: 0o010000,
  SETUID: 0o4000,
  SETGID: 0o2000,
  GROUP_EXECUTE: 0o10,
  PERMISSIONS: 0o7777,
} as const

/** The type of the file in a directory's entry (DT_* of dirent.h). UNKNOWN: only a lookup tells the type. */
export const entryTypes = {
  UNKNOWN: 0,
  FIFO: 1,
  CHAR: 2,
  DIRECTORY: 4,
  BLOCK: 6,
  FILE: 8,
  SYMLINK: 10,
  SOCKET: 12,
} as const

/** Types of a lock (F_RDLCK, … of include/uapi/asm-generic/fcntl.h). */
export const lockTypes = { RDLCK: 0, WRLCK: 1, UNLCK: 2 } as const

/** Flags of renameat2(2) (include/uapi/linux/fs.h). */
export const renameFlags = { NOREPLACE: 0x1, EXCHANGE: 0x2, WHITEOUT: 0x4 } as const

/** Flags of setxattr(2) (include/uapi/linux/xattr.h). */
export const xattrFlags = { CREATE: 0x1, REPLACE: 0x2 } as const
