/**
 * Sizes that the protocol or this project fixes. Every length from the wire is checked once, when it is read,
 * against one of these or against the negotiated msize.
 */

/** size[4] type[1] tag[2]. */
export const HEADER_BYTES = 7

/** Header and count[4] of Rread and Rreaddir: a reply is so much longer than its payload. */
export const READ_OVERHEAD = HEADER_BYTES + 4

/** Header, fid[4], offset[8] and count[4] of Twrite: a request is so much longer than its payload. */
export const WRITE_HEADER_BYTES = HEADER_BYTES + 16

/** As {@link WRITE_HEADER_BYTES}, rounded up to what Linux's client reserves for every I/O (P9_IOHDRSZ). */
export const IO_HEADER_BYTES = 24

/** The smallest msize that this server agrees to. Linux refuses less (net/9p/client.c). */
export const MSIZE_MIN = 4096

/** The largest msize that a Linux client asks for on a stream (net/9p/trans_fd.c, MAX_SOCK_BUF). */
export const MSIZE_MAX = 1 << 20

/** Most names in one Twalk (walk(5), P9_MAXWELEM). */
export const WALK_NAMES_MAX = 16

export {
  NAME_BYTES_MAX,
  PATH_BYTES_MAX,
  XATTR_NAME_MAX,
  XATTR_SIZE_MAX,
} from '../../tree/limits.ts'

/** Bytes of a qid: type[1] version[4] path[8]. */
export const QID_BYTES = 13

/** The tag of Tversion (NOTAG). */
export const NOTAG = 0xffff

/** "No fid": the afid of an attach without authentication (NOFID). */
export const NOFID = 0xffffffff

/** The dialect, as it stands in Tversion. */
export const VERSION = '9P2000.L'
