import type { stat as Stat } from '../../libc/statx.ts'
import { mode as modes } from '../../protocol/flags.ts'
import { type Qid, qidType } from '../../protocol/qid.ts'

/**
 * The qid of a host file. It depends on nothing but the file's own state, so a server that was
 * restarted answers the same.
 */
export function qidOf(stat: typeof Stat, rootDevice: number): Qid {
  return {
    type: typeBits(stat.mode),
    version: version(stat.ctimeSec, stat.ctimeNsec, stat.size),
    path: qidPath(stat.ino, stat.dev, rootDevice),
  }
}

/** qid.type for a file's mode. */
function typeBits(mode: number): number {
  const type = mode & modes.TYPE
  if (type === modes.DIRECTORY) return qidType.directory
  return type === modes.SYMLINK ? qidType.symlink : qidType.file
}

/**
 * qid.path is the inode number for files on the root's own device. The numbers of other file systems
 * inside the export are moved by a hash of their device, so that two files never share a path just
 * because their file systems count alike; the low 32 bits stay, where inode numbers are dense.
 */
export function qidPath(ino: bigint, device: number, rootDevice: number): bigint {
  if (device === rootDevice) return ino
  const spread = BigInt(Math.imul(device ^ 0x5bd1e995, 0x9e3779b1) >>> 0) | 1n
  return ino ^ (spread << 32n)
}

/** Changes whenever the content may have: every write sets ctime, and nobody can set it back. */
function version(seconds: number, nanoseconds: number, size: number): number {
  const mixed = Math.imul(seconds | 0, 0x9e3779b1) ^ nanoseconds ^ Math.imul(size | 0, 0x85ebca6b)
  return mixed >>> 0 || 1
}
