/** The protocol's major version, and the latest minor version that is spoken here. */
export const MAJOR = 7
export const MINOR = 39

/** len[4] opcode[4] unique[8] nodeid[8] uid[4] gid[4] pid[4] total_extlen[2] padding[2] */
export const IN_HEADER_BYTES = 40

/** len[4] error[4] unique[8] */
export const OUT_HEADER_BYTES = 16

/** Header and fields of WRITE, in front of its data. */
export const WRITE_HEADER_BYTES = IN_HEADER_BYTES + 40

/** The node that a client begins with (FUSE_ROOT_ID). */
export const ROOT_ID = 1

/** The most bytes of one READ or WRITE: what Linux asks for at most (FUSE_MAX_MAX_PAGES pages of 4 KiB). */
export const IO_BYTES_MAX = 1 << 20

/**
 * The longest request but for the data of a WRITE, in bytes, rounded up: SETXATTR with a value of 64 KiB. Linux sends
 * BATCH_FORGETs that are no longer.
 */
export const REQUEST_BYTES_MAX = 1 << 17

/** struct fuse_dirent in front of a name, and struct fuse_direntplus. */
export const DIRENT_BYTES = 24
export const DIRENTPLUS_BYTES = 128 + DIRENT_BYTES
