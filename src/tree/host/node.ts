import { ErrnoError, errno } from '../../errno.ts'
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
} from '../../libc/constants.ts'
import {
  type FileTime,
  UNCHANGED,
  chmod,
  close,
  descriptorPath,
  fchown,
  fstatfs,
  ftruncate,
  linkat,
  mkdirat,
  openat,
  readlink,
  renameat,
  symlinkat,
  truncate,
  unlinkat,
  utimens,
} from '../../libc/files.ts'
import { type stat as Stat, statx } from '../../libc/statx.ts'
import { V9FS_MAGIC, getattr, mode as modes, open as wire, setattr } from '../../protocol/flags.ts'
import type { R, T } from '../../protocol/messages.ts'
import type { Qid } from '../../protocol/qid.ts'
import { NO_UID, type Node, type OpenFile, type Owner } from '../tree.ts'
import type { HostEntry } from './entries.ts'
import { HostFile } from './file.ts'
import { qidOf, qidPath } from './identity.ts'
import { isKernelView } from './kernel-views.ts'
import { hostFlags, mayUseNoatime } from './open-flags.ts'
import type { HostContext } from './policy.ts'

/**
 * A file of the host, held by an O_PATH descriptor that was reached one name at a time. There is no
 * path string: a rename on the host changes nothing here, and no symlink is ever followed.
 */
export class HostNode implements Node {
  readonly qid: Qid
  readonly #context: HostContext
  readonly #parent: HostNode | null
  readonly #name: string
  readonly #device: number
  readonly #ino: bigint
  /** S_IFMT bits: a file never changes its type. */
  readonly #type: number
  /** A directory that shows nothing, see kernel-views.ts. */
  readonly #sealed: boolean
  #fd: number
  #uses = 1

  /** Takes over `fd`, an O_PATH descriptor; on a failure it is closed. */
  constructor(context: HostContext, fd: number, parent: HostNode | null, name: string) {
    try {
      const stat = statx(fd)
      this.#device = stat.dev
      this.#ino = stat.ino
      this.#type = stat.mode & modes.TYPE
      this.qid = qidOf(stat, context.rootDevice)
      this.#sealed =
        parent !== null && (parent.#sealed || (this.#device !== parent.#device && isKernelView(fd)))
    } catch (error) {
      close(fd)
      throw error
    }
    this.#context = context
    this.#fd = fd
    this.#parent = parent
    this.#name = name
  }

  retain(): void {
    this.#uses++
  }

  release(): void {
    if (--this.#uses > 0) return
    const fd = this.#fd
    this.#fd = -1
    if (fd >= 0) close(fd)
  }

  walk(name: string): Node {
    if (name === '..') {
      const above = this.#parent ?? this
      above.retain()
      try {
        // Nobody may have used it for a while: then its descriptor is fetched again.
        above.#descriptor()
        return above
      } catch (error) {
        above.release()
        throw error
      }
    }
    if (this.#type !== modes.DIRECTORY) throw new ErrnoError(errno.ENOTDIR, 'walk')
    if (this.#sealed) throw new ErrnoError(errno.ENOENT, 'walk')
    const fd = openat(this.#descriptor(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC)
    return new HostNode(this.#context, fd, this, name)
  }

  getattr(mask: number): R<'getattr'> {
    const { owner, rootDevice } = this.#context
    const stat = statx(this.#descriptor())
    const born = (mask & getattr.BTIME) !== 0 && stat.hasBtime
    return {
      valid: getattr.BASIC | (born ? getattr.BTIME : 0),
      qid: qidOf(stat, rootDevice),
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

  setattr(changes: T<'setattr'>, file: OpenFile | null): void {
    const { valid } = changes
    if (this.#sealed) throw new ErrnoError(errno.EROFS, 'kernel view')
    const fd = this.#descriptor()
    // In the order of the kernel's own notify_change users: an owner change may clear setuid bits that
    // the same request sets again, and a new size moves the times.
    if ((valid & (setattr.UID | setattr.GID)) !== 0 && this.#context.owner === 'host') {
      fchown(
        fd,
        (valid & setattr.UID) !== 0 ? changes.uid : UNCHANGED,
        (valid & setattr.GID) !== 0 ? changes.gid : UNCHANGED,
      )
    }
    if ((valid & setattr.MODE) !== 0) {
      if (this.#type === modes.SYMLINK) throw new ErrnoError(errno.EOPNOTSUPP, 'chmod')
      chmod(fd, changes.mode & modes.PERMISSIONS)
    }
    if ((valid & setattr.SIZE) !== 0) {
      if (this.#type !== modes.FILE) throw new ErrnoError(errno.EINVAL, 'truncate')
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

  readlink(): string {
    if (this.#type !== modes.SYMLINK) throw new ErrnoError(errno.EINVAL, 'readlink')
    return readlink(this.#descriptor())
  }

  statfs(): R<'statfs'> {
    return { ...fstatfs(this.#descriptor()), type: V9FS_MAGIC }
  }

  open(flags: number): OpenFile {
    const isFile = this.#type === modes.FILE
    if (!isFile && this.#type !== modes.DIRECTORY) throw new ErrnoError(errno.ENXIO, 'open')
    if (this.#sealed && isFile) throw new ErrnoError(errno.EACCES, 'open')
    const fd = this.#descriptor()
    // The owner may have changed since the walk, so it is asked for now.
    const mayNoatime = mayUseNoatime(statx(fd).uid, this.#context)
    const host = hostFlags(flags, this.#context, mayNoatime) & ~(O_EXCL | O_NOFOLLOW)
    return this.#openFile(fd, host)
  }

  create(name: string, flags: number, mode: number, owner: Owner): { node: Node; file: OpenFile } {
    const host =
      (hostFlags(flags, this.#context, false) | O_CREAT | O_EXCL | O_NOFOLLOW) & ~O_NONBLOCK
    let fd: number
    try {
      fd = openat(this.#directory(), name, host, mode & modes.PERMISSIONS)
    } catch (error) {
      // Without O_EXCL an existing file is opened, the same careful way as any other.
      const exists = error instanceof ErrnoError && error.errno === errno.EEXIST
      if (!exists || (flags & wire.EXCL) !== 0) throw error
      return openExisting(this.walk(name), flags)
    }
    try {
      this.#giveTo(fd, owner, mode)
      const path = this.#reopen(fd, O_PATH | O_CLOEXEC)
      const node = new HostNode(this.#context, path, this, name)
      return { node, file: new HostFile(fd, hidden) }
    } catch (error) {
      close(fd)
      throw error
    }
  }

  mkdir(name: string, mode: number, owner: Owner): Qid {
    mkdirat(this.#directory(), name, mode & modes.PERMISSIONS)
    return this.#adopt(name, owner, mode)
  }

  symlink(name: string, target: string, owner: Owner): Qid {
    symlinkat(target, this.#directory(), name)
    return this.#adopt(name, owner, 0)
  }

  link(target: Node, name: string): void {
    if (!(target instanceof HostNode)) throw new ErrnoError(errno.EXDEV, 'link')
    const from = descriptorPath(target.#descriptor())
    linkat(AT_FDCWD, from, this.#directory(), name, AT_SYMLINK_FOLLOW)
  }

  rename(oldName: string, directory: Node, newName: string): void {
    if (!(directory instanceof HostNode)) throw new ErrnoError(errno.EXDEV, 'rename')
    renameat(this.#directory(), oldName, directory.#directory(), newName)
  }

  unlink(name: string, directory: boolean): void {
    unlinkat(this.#directory(), name, directory ? AT_REMOVEDIR : 0)
  }

  /** The descriptor of a directory whose names may be touched. */
  #directory(): number {
    if (this.#sealed) throw new ErrnoError(errno.EROFS, 'kernel view')
    return this.#descriptor()
  }

  /**
   * The O_PATH descriptor; one that was given back is opened again by name.
   *
   * @throws ESTALE when the name means another file by now.
   */
  #descriptor(): number {
    if (this.#fd >= 0) return this.#fd
    const parent = this.#parent
    if (parent === null) throw new ErrnoError(errno.ESTALE, 'root')
    let fd: number
    // A directory that nobody else uses is open for this moment only.
    parent.retain()
    try {
      fd = openat(parent.#descriptor(), this.#name, O_PATH | O_NOFOLLOW | O_CLOEXEC)
    } finally {
      parent.release()
    }
    const stat = statx(fd)
    if (stat.dev !== this.#device || stat.ino !== this.#ino) {
      close(fd)
      throw new ErrnoError(errno.ESTALE, 'reopen')
    }
    this.#fd = fd
    return fd
  }

  #openFile(fd: number, flags: number): HostFile {
    try {
      return new HostFile(this.#reopen(fd, flags), this.#entryPath)
    } catch (error) {
      // In a user namespace a file's owner may not be mapped, and CAP_FOWNER then does not reach it.
      const refused = error instanceof ErrnoError && error.errno === errno.EPERM
      if (!refused || (flags & O_NOATIME) === 0) throw error
      return new HostFile(this.#reopen(fd, flags & ~O_NOATIME), this.#entryPath)
    }
  }

  /** The file of a descriptor that need not be more than O_PATH, opened once more. */
  #reopen(fd: number, flags: number): number {
    return openat(this.#context.descriptors, `${fd}`, flags)
  }

  /** How an entry of this directory is shown; undefined for one that is not. */
  readonly #entryPath = (entry: HostEntry): bigint | undefined => {
    const { rootDevice } = this.#context
    if (entry.dots === 2) {
      const above = this.#parent ?? this
      return qidPath(above.#ino, above.#device, rootDevice)
    }
    if (entry.dots === 1) return this.qid.path
    return this.#sealed ? undefined : qidPath(entry.ino, this.#device, rootDevice)
  }

  /** What was just made under `name` gets its owner; returns its qid. */
  #adopt(name: string, owner: Owner, mode: number): Qid {
    const fd = openat(this.#descriptor(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC)
    try {
      this.#giveTo(fd, owner, mode)
      return qidOf(statx(fd), this.#context.rootDevice)
    } finally {
      close(fd)
    }
  }

  /**
   * A new file belongs to the guest's user where the server may give files away; an ordinary user's
   * server keeps them, and owner mapping decides how they are shown.
   */
  #giveTo(fd: number, { uid, gid }: Owner, mode: number): void {
    const { credentials, owner } = this.#context
    // The client has applied the guest's umask, mkdir(2) ignores the special bits, chown(2) clears them.
    const missing = mode & (modes.SETUID | modes.SETGID | credentials.umask)
    if (owner === 'host' && credentials.chown) {
      const toUid = uid === NO_UID ? UNCHANGED : uid
      const stat: typeof Stat = statx(fd)
      if ((toUid !== UNCHANGED && toUid !== stat.uid) || gid !== stat.gid) fchown(fd, toUid, gid)
    }
    if (missing !== 0) chmod(fd, mode & modes.PERMISSIONS)
  }
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

function hidden(): undefined {
  return undefined
}

function openExisting(node: Node, flags: number): { node: Node; file: OpenFile } {
  try {
    return { node, file: node.open(flags) }
  } catch (error) {
    node.release()
    throw error
  }
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
