/**
 * Numbers of 9P2000.L's messages. They are the generic Linux values on every architecture
 * (include/net/9p/9p.h).
 */

import { lockTypes } from '../../tree/flags.ts'

/**
 * Flags of Tlopen and Tlcreate, types and permissions in modes, and flags of Txattrcreate: the same as
 * Linux's.
 */
export { openFlags as open, modes as mode, xattrFlags as xattr } from '../../tree/flags.ts'

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

/** Tlock and Tgetlock: types of a lock, which are Linux's, flags of a request, status of a reply (P9_LOCK_*). */
export const lock = {
  ...lockTypes,
  BLOCK: 0x1,
  SUCCESS: 0,
  BLOCKED: 1,
} as const

/**
 * f_type of Rstatfs (V9FS_MAGIC). It is always 9P's, because programs draw wrong conclusions from the type of
 * the host's file system.
 */
export const V9FS_MAGIC = 0x01021997
