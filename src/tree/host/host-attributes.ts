import { ErrnoError, errno } from '../../sys/errno.ts'
import { O_CLOEXEC, O_WRONLY } from '../../sys/constants.ts'
import { UNCHANGED, chmod, fchown, ftruncate, utimens } from '../../sys/files.ts'
import { type Stat, statx } from '../../sys/statx.ts'
import type { AttributeChanges, Attributes } from '../attributes.ts'
import { modes } from '../flags.ts'
import { NO_UID, type OpenNode, type Owner } from '../tree.ts'
import type { Descriptors } from './descriptors.ts'
import { HostFile } from './file.ts'
import { versionOf } from './identity.ts'
import type { HostContext } from './policy.ts'
import { dropPrivileges, mustDropPrivileges } from './privileges.ts'

/** Fills `into` with a file's attributes as the guest sees them. */
export function fillAttributes(
  into: Attributes,
  stat: Stat,
  { owners, inodes }: HostContext,
): void {
  into.ino = inodes.of(stat.ino, stat.dev)
  into.version = versionOf(stat)
  into.mode = stat.mode
  into.nlink = stat.nlink
  into.uid = owners.uid(stat.uid)
  into.gid = owners.gid(stat.gid)
  into.rdev = stat.rdev
  into.size = stat.size
  into.blksize = stat.blksize
  into.blocks = stat.blocks
  into.atimeSec = stat.atimeSec
  into.atimeNsec = stat.atimeNsec
  into.mtimeSec = stat.mtimeSec
  into.mtimeNsec = stat.mtimeNsec
  into.ctimeSec = stat.ctimeSec
  into.ctimeNsec = stat.ctimeNsec
  into.hasBtime = stat.hasBtime
  into.btimeSec = stat.btimeSec
  into.btimeNsec = stat.btimeNsec
}

/**
 * Makes `changes` to a file.
 *
 * @param fd an O_PATH descriptor of the file.
 * @param type its S_IFMT bits on the host.
 * @param file the client's open file of it, if any.
 * @param uid the guest's user who asks for the changes.
 * @param reopen opens the file again, as HeldFile.reopen, and keeps `fd` meanwhile.
 */
export function changeAttributes(
  fd: number,
  type: number,
  changes: AttributeChanges,
  file: OpenNode | null,
  uid: number,
  { owners, credentials, descriptors }: HostContext,
  reopen: (flags: number) => number,
): void {
  const { mode, size, atime, mtime, ctime } = changes
  // In the order of the kernel's notify_change. A change of owner may clear setuid bits that the same request
  // sets again, and a new size changes the times.
  const changesOwner = changes.uid !== undefined || changes.gid !== undefined
  if (changesOwner) {
    const toUid = changes.uid === undefined ? UNCHANGED : owners.toHostUid(changes.uid)
    const toGid = changes.gid === undefined ? UNCHANGED : owners.toHostGid(changes.gid)
    if (toUid !== UNCHANGED || toGid !== UNCHANGED) fchown(fd, toUid, toGid)
  }
  if (mode !== undefined) {
    if (type === modes.SYMLINK) throw new ErrnoError(errno.EOPNOTSUPP, 'chmod')
    chmod(fd, mode & modes.PERMISSIONS)
  }
  if (size !== undefined) {
    if (type !== modes.FILE) throw new ErrnoError(errno.EINVAL, 'truncate')
    if (mustDropPrivileges(uid, credentials)) dropPrivileges(fd)
    resize(file, size, descriptors, reopen)
  }
  const changesTimes = atime !== undefined || mtime !== undefined
  if (changesTimes) utimens(fd, atime ?? 'keep', mtime ?? 'keep')
  if (ctime === undefined || changesOwner || changesTimes) return
  if (mode === undefined && size === undefined) fchown(fd, UNCHANGED, UNCHANGED)
}

/**
 * The host's owner of a new file. It is the guest's user if the server may give files away. If not, the
 * server's own user keeps the file.
 *
 * @throws EINVAL or EPERM, before the file is made, for a user or group that the host has no number for.
 */
export function hostOwner({ uid, gid }: Owner, { credentials, owners }: HostContext): Owner {
  if (!credentials.chown) return { uid: UNCHANGED, gid: UNCHANGED }
  return { uid: uid === NO_UID ? UNCHANGED : owners.toHostUid(uid), gid: owners.toHostGid(gid) }
}

/** Gives a new file its mode, and the owner that {@link hostOwner} has chosen. */
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
  // `mode` is final, since the client has applied the guest's umask. But the server's umask has taken bits,
  // mkdir(2) ignores the special ones, and chown(2) clears them.
  const missing = mode & (modes.SETUID | modes.SETGID | credentials.umask)
  if (missing !== 0) chmod(fd, mode & modes.PERMISSIONS)
}

/**
 * Sets the size, through the open file if it was opened for writing. Its permissions were checked at the
 * open: a program may make a file read-only and still write to it.
 */
function resize(
  file: OpenNode | null,
  size: number,
  descriptors: Descriptors,
  reopen: (flags: number) => number,
): void {
  if (file instanceof HostFile) {
    try {
      ftruncate(file.fd, size)
      return
    } catch (error) {
      // The file was opened for reading only.
      if (!(error instanceof ErrnoError) || error.errno !== errno.EINVAL) throw error
    }
  }
  // Not truncate(2), which waits for the holder of a lease.
  const writable = reopen(O_WRONLY | O_CLOEXEC)
  try {
    ftruncate(writable, size)
  } finally {
    descriptors.discard(writable)
  }
}
