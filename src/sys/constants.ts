import { constants } from 'node:fs'

/**
 * Numbers of the host's kernel. Those that differ between architectures come from Node, which was
 * compiled against the host's headers; the rest are the same on x86-64 and aarch64.
 */
export const {
  O_RDONLY,
  O_WRONLY,
  O_RDWR,
  O_CREAT,
  O_EXCL,
  O_TRUNC,
  O_APPEND,
  O_NONBLOCK,
  O_DSYNC,
  O_SYNC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NOATIME,
} = constants

export const O_CLOEXEC = 0o2000000
export const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY
export const O_PATH = 0o10000000

export const AT_FDCWD = -100
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_SYMLINK_FOLLOW = 0x400
export const AT_REMOVEDIR = 0x200
export const AT_EMPTY_PATH = 0x1000
