/**
 * Numbers that 9P2000.L puts on the wire. They are the generic Linux values, whatever the host's
 * architecture says: include/net/9p/9p.h.
 */

/** Flags of Tlopen and Tlcreate (enum p9_open_mode_t of the .L dialect). */
export const open = {
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

/** Bits of Tgetattr's request_mask and Rgetattr's valid (P9_STATS_*). */
export const getattr = {
  MODE: 0x1,
  NLINK: 0x2,
  UID: 0x4,
  GID: 0x8,
  RDEV: 0x10,
  ATIME: 0x20,
  MTIME: 0x40,
  CTIME: 0x80,
  INO: 0x100,
  SIZE: 0x200,
  BLOCKS: 0x400,
  BASIC: 0x7ff,
  BTIME: 0x800,
  GEN: 0x1000,
  DATA_VERSION: 0x2000,
} as const

/** Bits of Tsetattr's valid (P9_ATTR_*, fs/9p/vfs_inode_dotl.c). */
export const setattr = {
  MODE: 0x1,
  UID: 0x2,
  GID: 0x4,
  SIZE: 0x8,
  ATIME: 0x10,
  MTIME: 0x20,
  CTIME: 0x40,
  ATIME_SET: 0x80,
  MTIME_SET: 0x100,
} as const

/** Tunlinkat's only flag: the name is a directory (AT_REMOVEDIR). */
export const AT_REMOVEDIR = 0x200

/** Flags of Txattrcreate: setxattr(2)'s own (include/uapi/linux/xattr.h). */
export const xattr = { CREATE: 0x1, REPLACE: 0x2 } as const

/** Tlock and Tgetlock: types of a lock, flags of a request, status of a reply (P9_LOCK_*). */
export const lock = {
  RDLCK: 0,
  WRLCK: 1,
  UNLCK: 2,
  BLOCK: 0x1,
  SUCCESS: 0,
  BLOCKED: 1,
} as const

/** File type bits of a mode (S_IFMT and its values). */
export const mode = {
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

/** f_type of Rstatfs: always 9P's own, since clients draw wrong conclusions from a host's (V9FS_MAGIC). */
export const V9FS_MAGIC = 0x01021997
