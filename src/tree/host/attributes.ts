import { ErrnoError, errno } from '../../sys/errno.ts'
import {
  type FileTime,
  UNCHANGED,
  chmod,
  fchown,
  ftruncate,
  truncate,
  utimens,
} from '../../sys/files.ts'
import { type Stat, statx } from '../../sys/statx.ts'
import { getattr, mode as modes, setattr } from '../../9p/wire/flags.ts'
import type { R, T } from '../../9p/wire/messages.ts'
import { NO_UID, type OpenFile, type Owner } from '../tree.ts'
import { HostFile } from './file.ts'
import { dropPrivileges, mustDropPrivileges } from './privileges.ts'
import { qidOf } from './identity.ts'
import type { HostContext } from './policy.ts'

/** A file's attributes as its guest sees them. */
export function attributesOf(
  stat: Stat,
  mask: number,
  { owners, paths }: HostContext,
): R<'getattr'> {
  const born = (mask & getattr.BTIME) !== 0 && stat.hasBtime
  return {
    valid: getattr.BASIC | (born ? getattr.BTIME : 0),
    qid: qidOf(stat, paths),
    mode: stat.mode,
    uid: owners.uid(stat.uid),
    gid: owners.gid(stat.gid),
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
 * @param uid the guest's user who asks.
 */
export function changeAttributes(
  fd: number,
  type: number,
  changes: T<'setattr'>,
  file: OpenFile | null,
  uid: number,
  { owners, credentials }: HostContext,
): void {
  const { valid } = changes
  // In the order of the kernel's own notify_change users: an owner change may clear setuid bits that
  // the same request sets again, and a new size moves the times.
  if ((valid & (setattr.UID | setattr.GID)) !== 0) {
    const toUid = (valid & setattr.UID) !== 0 ? owners.toHost(changes.uid) : UNCHANGED
    const toGid = (valid & setattr.GID) !== 0 ? owners.toHost(changes.gid) : UNCHANGED
    if (toUid !== UNCHANGED || toGid !== UNCHANGED) fchown(fd, toUid, toGid)
  }
  // What Linux makes of a chown(2) that leaves both as they are.
  if (valid === setattr.CTIME) fchown(fd, UNCHANGED, UNCHANGED)
  if ((valid & setattr.MODE) !== 0) {
    if (type === modes.SYMLINK) throw new ErrnoError(errno.EOPNOTSUPP, 'chmod')
    chmod(fd, changes.mode & modes.PERMISSIONS)
  }
  if ((valid & setattr.SIZE) !== 0) {
    if (type !== modes.FILE) throw new ErrnoError(errno.EINVAL, 'truncate')
    if (mustDropPrivileges(uid, credentials)) dropPrivileges(fd)
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
 * Whom a new file will belong to on the host: the guest's user where the server may give files away;
 * an ordinary user's server keeps them.
 *
 * @throws EINVAL before there is a file, for somebody whom the host has no number for.
 */
export function hostOwner({ uid, gid }: Owner, { credentials, owners }: HostContext): Owner {
  if (!credentials.chown) return { uid: UNCHANGED, gid: UNCHANGED }
  return { uid: uid === NO_UID ? UNCHANGED : owners.toHost(uid), gid: owners.toHost(gid) }
}

/** A new file gets its owner, as {@link hostOwner} says, and its mode. */
export function giveTo(
  fd: number,
  { uid, gid }: Owner,
  mode: number,
  { credentials }: HostContext,
): void {
  if (uid !== UNCHANGED || gid !== UNCHANGED) {
    const stat = statx(fd)
    const changes = (to: number, is: number): boolean => to !== UNCHANGED && to !== is
    if (changes(uid, stat.uid) || changes(gid, stat.gid)) fchown(fd, uid, gid)
  }
  // The client has applied the guest's umask, mkdir(2) ignores the special bits, chown(2) clears them.
  const missing = mode & (modes.SETUID | modes.SETGID | credentials.umask)
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
