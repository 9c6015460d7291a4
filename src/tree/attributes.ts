import type { FileTime } from '../sys/files.ts'
import { modes } from './flags.ts'

/** Identifies a file among the others of its tree, and a state of its content among earlier and later ones. */
export interface FileIdentity {
  /** The S_IFMT bits of the mode. */
  readonly type: number
  /** Unique in the tree while the file exists. A restarted server gives the same number. */
  readonly ino: bigint
  /** 32 bits that change when the content changes; 0 means that the content must not be cached. */
  readonly version: number
}

/**
 * A file's attributes, as stat(2) has them.
 *
 * The caller makes the object and a tree's method fills it, so that a session that answers thousands of
 * requests a second needs only one. When the method throws, the values mean nothing.
 */
export class Attributes implements FileIdentity {
  ino = 0n
  version = 0
  /** File type and permissions. */
  mode = 0
  nlink = 0
  uid = 0
  gid = 0
  /** A device's number, in the kernel's 32-bit encoding (new_encode_dev in include/linux/kdev_t.h). */
  rdev = 0
  /** In bytes. */
  size = 0
  /** In bytes: the size of reads that is efficient. */
  blksize = 0
  /** In units of 512 bytes. */
  blocks = 0
  /** Seconds since 1970, negative for times before. So are the times below. */
  atimeSec = 0
  atimeNsec = 0
  mtimeSec = 0
  mtimeNsec = 0
  ctimeSec = 0
  ctimeNsec = 0
  /** Whether the file's time of birth is known. */
  hasBtime = false
  btimeSec = 0
  btimeNsec = 0

  get type(): number {
    return this.mode & modes.TYPE
  }
}

/** The changes of a setattr. An attribute that is undefined stays as it is. */
export interface AttributeChanges {
  /** Permission bits; others are ignored. */
  readonly mode?: number | undefined
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** In bytes. */
  readonly size?: number | undefined
  readonly atime?: FileTime | undefined
  readonly mtime?: FileTime | undefined
  /** Sets the ctime to now if nothing else changes, as Linux does for a chown(2) to the same owner. */
  readonly ctime?: 'now' | undefined
}

export type { FileSystemStatistics } from '../sys/files.ts'
