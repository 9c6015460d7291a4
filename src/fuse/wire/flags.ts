/** Numbers of FUSE's messages (include/uapi/linux/fuse.h). */

/** What client and server agree on at INIT. From bit 32 on they are sent in `flags2`, shifted down. */
export const init = {
  ASYNC_READ: 1n << 0n,
  POSIX_LOCKS: 1n << 1n,
  ATOMIC_O_TRUNC: 1n << 3n,
  BIG_WRITES: 1n << 5n,
  DONT_MASK: 1n << 6n,
  FLOCK_LOCKS: 1n << 10n,
  AUTO_INVAL_DATA: 1n << 12n,
  DO_READDIRPLUS: 1n << 13n,
  READDIRPLUS_AUTO: 1n << 14n,
  ASYNC_DIO: 1n << 15n,
  WRITEBACK_CACHE: 1n << 16n,
  NO_OPEN_SUPPORT: 1n << 17n,
  PARALLEL_DIROPS: 1n << 18n,
  HANDLE_KILLPRIV: 1n << 19n,
  POSIX_ACL: 1n << 20n,
  MAX_PAGES: 1n << 22n,
  CACHE_SYMLINKS: 1n << 23n,
  NO_OPENDIR_SUPPORT: 1n << 24n,
  SUBMOUNTS: 1n << 27n,
  HANDLE_KILLPRIV_V2: 1n << 28n,
  INIT_EXT: 1n << 30n,
  DIRECT_IO_ALLOW_MMAP: 1n << 36n,
} as const

/** What the server says of a file that it has opened (FOPEN_*). */
export const opened = {
  DIRECT_IO: 1 << 0,
  KEEP_CACHE: 1 << 1,
  CACHE_DIR: 1 << 3,
  PARALLEL_DIRECT_WRITES: 1 << 6,
} as const

/** Bits of SETATTR's `valid` (FATTR_*). */
export const setattr = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  FH: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  CTIME: 1 << 10,
  KILL_SUIDGID: 1 << 11,
} as const

/** A flag of GETATTR and STATX: the file handle has a meaning. */
export const GETATTR_FH = 1 << 0

/** Flags of WRITE. */
export const write = { CACHE: 1 << 0, LOCKOWNER: 1 << 1, KILL_SUIDGID: 1 << 2 } as const

/** A flag of OPEN and CREATE. */
export const OPEN_KILL_SUIDGID = 1 << 0

/** A flag of FSYNC. */
export const FSYNC_DATA_ONLY = 1 << 0

/** A flag of RELEASE: the locks of flock(2) end. */
export const RELEASE_FLOCK_UNLOCK = 1 << 1

/** A flag of GETLK, SETLK and SETLKW: it is about flock(2). */
export const LK_FLOCK = 1 << 0

/** Types of a lock: the same as Linux's. */
export { lockTypes as lock } from '../../tree/flags.ts'
