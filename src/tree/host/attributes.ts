import { ErrnoError, errno } from '../../errno.ts'
import {
  type FileTime,
  UNCHANGED,
  chmod,
  fchown,
  ftruncate,
  truncate,
  utimens,
} from '../../libc/files.ts'
import { type Stat, statx } from '../../libc/statx.ts'
import { getattr, mode as modes, setattr } from '../../protocol/flags.ts'
import type { R, T } from '../../protocol/messages.ts'
import { NO_UID, type OpenFile, type Owner } from '../tree.ts'
import { HostFile } from './file.ts'
import { qidOf } from './identity.ts'
import type { HostContext } from './policy.ts'

/** A file's attributes as its guest sees them. */
export function attributesOf(
  stat: Stat,
  mask: number,
  { owner, paths }: HostContext,
): R<'getattr'> {
  const born = (mask & getattr.BTIME) !== 0 && stat.hasBtime
  return {
    valid: getattr.BASIC | (born ? getattr.BTIME : 0),
    qid: qidOf(stat, paths),
    mode: stat.mode,
    uid: owner === 'host' ? stat.uid : owner.uid,
    gid: owner === 'host' ? stat.gid : owner.gid,
    nlink: stat.nlink,
    rdev: stat.rdev,
    size: stat.size,
    blksize: stat.blksize,
    blocks: stat.blocks,
    atimeSec: stat.atimeSec,
    atimeNsec: stat.atimeNsec,
    mtimeSec: stat.mtimeSec,
    mtimeNsec: stat.mtimeNsec,
    ctimeSec: stat.ctimeSec,
    ctimeNsec: stat.ctimeNsec,
    btimeSec: born ? stat.btimeSec : 0,
    btimeNsec: born ? stat.btimeNsec : 0,
    gen: 0,
    dataVersion: 0,
  }
}

/**
 * Changes what `changes.valid` names.
 *
 * @param fd an O_PATH descriptor of the file.
 * @param type its S_IFMT bits.
 * @param file the client's open file of it, if any.
 */
export function changeAttributes(
  fd: number,
  type: number,
  changes: T<'setattr'>,
  file: OpenFile | null,
  { owner }: HostContext,
): void {
  const { valid } = changes
  // In the order of the kernel's own notify_change users: an owner change may clear setuid bits that
  // the same request sets again, and a new size moves the times.
  if ((valid & (setattr.UID | setattr.GID)) !== 0 && owner === 'host') {
    fchown(
      fd,
      (valid & setattr.UID) !== 0 ? changes.uid : UNCHANGED,
      (valid & setattr.GID) !== 0 ? changes.gid : UNCHANGED,
    )
  }
  if ((valid & setattr.MODE) !== 0) {
    if (type === modes.SYMLINK) throw new ErrnoError(errno.EOPNOTSUPP, 'chmod')
    chmod(fd, changes.mode & modes.PERMISSIONS)
  }
  if ((valid & setattr.SIZE) !== 0) {
    if (type !== modes.FILE) throw new ErrnoError(errno.EINVAL, 'truncate')
    resize(fd, file, changes.size)
  }
  if ((valid & (setattr.ATIME | setattr.MTIME)) !== 0) {
    utimens(
      fd,
      time(valid, setattr.ATIME, setattr.ATIME_SET, changes.atimeSec, changes.atimeNsec),
      time(valid, setattr.MTIME, setattr.MTIME_SET, changes.mtimeSec, changes.mtimeNsec),
    )
  }
}

/**
 * A new file gets its owner and its mode. It belongs to the guest's user where the server may give
 * files away; an ordinary user's server keeps them, and owner mapping decides how they are shown.
 */
export function giveTo(
  fd: number,
  { uid, gid }: Owner,
  mode: number,
  { credentials, owner }: HostContext,
): void {
  // The client has applied the guest's umask, mkdir(2) ignores the special bits, chown(2) clears them.
  const missing = mode & (modes.SETUID | modes.SETGID | credentials.umask)
  if (owner === 'host' && credentials.chown) {
    const toUid = uid === NO_UID ? UNCHANGED : uid
    const stat = statx(fd)
    if ((toUid !== UNCHANGED && toUid !== stat.uid) || gid !== stat.gid) fchown(fd, toUid, gid)
  }
  if (missing !== 0) chmod(fd, mode & modes.PERMISSIONS)
}

/**
 * Through the open file where that was opened to be written: its permissions were asked for then,
 * and a file may be made read-only while its maker still writes to it.
 */
function resize(fd: number, file: OpenFile | null, size: number): void {
  if (file instanceof HostFile) {
    try {
      ftruncate(file.fd, size)
      return
    } catch (error) {
      // Opened to be read only.
      if (!(error instanceof ErrnoError) || error.errno !== errno.EINVAL) throw error
    }
  }
  truncate(fd, size)
}

/** One of Tsetattr's two times. */
function time(
  valid: number,
  bit: number,
  setBit: number,
  seconds: number,
  nanoseconds: number,
): FileTime {
  if ((valid & bit) === 0) return 'keep'
  return (valid & setBit) === 0 ? 'now' : { seconds, nanoseconds }
}
