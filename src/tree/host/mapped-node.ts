import { ErrnoError, errno } from '../../sys/errno.ts'
import { O_CLOEXEC, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } from '../../sys/constants.ts'
import { encodeDevice, mknodat, pread, pwrite } from '../../sys/files.ts'
import { systemMemory } from '../../sys/system-memory.ts'
import { statx } from '../../sys/statx.ts'
import { mode as modes, setattr } from '../../9p/wire/flags.ts'
import { PATH_BYTES_MAX } from '../../9p/wire/limits.ts'
import type { R, T } from '../../9p/wire/messages.ts'
import type { Qid } from '../../9p/wire/qid.ts'
import { NO_UID, type OpenFile, type Owner } from '../tree.ts'
import { changeAttributes } from './attributes.ts'
import { qidOf, qidTypeOf } from './identity.ts'
import { HostNode, type Newborn } from './node.ts'
import { withoutPrivileges } from './privileges.ts'
import type { FoundFile } from './saved-file.ts'
import { PREFIX, modeOf, readStored, readStoredMode, store } from './stored-attributes.ts'
import { acls } from './xattrs.ts'

/** Nobody else on the host needs to reach a guest's files (QEMU's SM_LOCAL_MODE_BITS). */
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700

const target = systemMemory(PATH_BYTES_MAX)

/**
 * A file whose owner, mode and device number are the guest's business and stored beside it, see
 * stored-attributes.ts: so an ordinary user's directory can hold whatever a guest's root makes of
 * it. Symlinks, devices, FIFOs and sockets are regular files on the host, a symlink's with its target
 * inside. What has nothing stored is shown as it is.
 */
export class MappedNode extends HostNode {
  /** What it is to the guest, as of the last walk; undefined where nobody has asked since. */
  #walkedType: number | undefined

  override get qid(): Qid {
    return { ...super.qid, type: qidTypeOf(this.#walkedType ?? this.#type()) }
  }

  override getattr(mask: number): R<'getattr'> {
    const found = super.getattr(mask)
    const {
      uid = found.uid,
      gid = found.gid,
      mode,
      rdev = found.rdev,
    } = readStored(this.descriptor())
    const shown = modeOf(found.mode, mode)
    const qid = { ...found.qid, type: qidTypeOf(shown) }
    return { ...found, qid, mode: shown, uid, gid, rdev }
  }

  override setattr(changes: T<'setattr'>, file: OpenFile | null, uid: number): void {
    this.mayChange()
    const { valid } = changes
    const fd = this.descriptor()
    const type = this.#type()
    if ((valid & setattr.MODE) !== 0 && type === modes.SYMLINK) {
      throw new ErrnoError(errno.EOPNOTSUPP, 'chmod')
    }
    if ((valid & setattr.SIZE) !== 0 && type !== modes.FILE) {
      throw new ErrnoError(errno.EINVAL, 'truncate')
    }
    if ((valid & (setattr.UID | setattr.GID)) !== 0) {
      store(fd, {
        uid: (valid & setattr.UID) !== 0 ? changes.uid : undefined,
        gid: (valid & setattr.GID) !== 0 ? changes.gid : undefined,
      })
      // As chown(2) does, whoever calls it.
      this.dropPrivileges(fd)
    }
    if ((valid & setattr.MODE) !== 0) {
      store(fd, { mode: type | (changes.mode & modes.PERMISSIONS) })
    }
    if ((valid & setattr.SIZE) !== 0 && this.mustDropPrivileges(uid)) this.dropPrivileges(fd)
    const rest = valid & ~(setattr.UID | setattr.GID | setattr.MODE)
    changeAttributes(fd, this.type, { ...changes, valid: rest }, file, uid, this.context)
  }

  override readlink(): string {
    if (this.type === modes.SYMLINK) return super.readlink()
    if (this.#type() !== modes.SYMLINK) throw new ErrnoError(errno.EINVAL, 'readlink')
    const fd = this.reopen(O_RDONLY | O_CLOEXEC)
    try {
      const length = pread(fd, target.address, PATH_BYTES_MAX, 0)
      if (length >= PATH_BYTES_MAX) throw new ErrnoError(errno.ENAMETOOLONG, 'readlink')
      return target.bytes.toString('latin1', 0, length)
    } finally {
      this.context.descriptors.discard(fd)
    }
  }

  override open(flags: number, uid: number): OpenFile {
    const type = this.#type()
    if (type !== modes.FILE && type !== modes.DIRECTORY) throw new ErrnoError(errno.ENXIO, 'open')
    return super.open(flags, uid)
  }

  override mknod(name: string, mode: number, major: number, minor: number, owner: Owner): Qid {
    const type = mode & modes.TYPE
    if (!made.has(type)) throw new ErrnoError(errno.EINVAL, 'mknod')
    const isDevice = type === modes.CHAR || type === modes.BLOCK
    const rdev = isDevice ? encodeDevice(major, minor) : undefined
    const newborn = this.newborn(mode, owner, rdev)
    mknodat(this.directory(), name, modes.FILE | newborn.mode, 0, 0)
    return this.finish(name, newborn)
  }

  override symlink(name: string, to: string, owner: Owner): Qid {
    const newborn = this.newborn(modes.SYMLINK | 0o777, owner)
    this.mayChange()
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
    const { descriptors, paths } = this.context
    let fd = this.openAt(name, flags, newborn.mode)
    try {
      const length = target.bytes.write(to, 'latin1')
      for (let at = 0; at < length;) at += pwrite(fd, target.address + at, length - at, at)
      newborn.finish(fd)
      const qid = { ...qidOf(statx(fd), paths), type: qidTypeOf(modes.SYMLINK) }
      const written = fd
      fd = -1
      // Which may be the first to say that the target found no room.
      descriptors.close(written)
      return qid
    } catch (error) {
      if (fd >= 0) descriptors.discard(fd)
      this.takeBack(name, 0)
      throw error
    }
  }

  override listXattrs(): Uint8Array {
    const names = Buffer.from(super.listXattrs()).toString('latin1').split('\0')
    const shown = names.flatMap((name) => {
      if (name === '') return []
      if (!name.startsWith(PREFIX)) return [`${name}\0`]
      const kept = name.slice(PREFIX.length)
      return acls.test(kept) ? [`${kept}\0`] : []
    })
    return Buffer.from(shown.join(''), 'latin1')
  }

  override getXattr(name: string): Uint8Array {
    if (name.startsWith(PREFIX)) throw new ErrnoError(errno.ENODATA, 'getxattr')
    return super.getXattr(nameKept(name))
  }

  override setXattr(name: string, value: Uint8Array, flags: number): void {
    if (name.startsWith(PREFIX)) throw new ErrnoError(errno.EPERM, 'setxattr')
    super.setXattr(nameKept(name), value, flags)
  }

  override removeXattr(name: string): void {
    if (name.startsWith(PREFIX)) throw new ErrnoError(errno.ENODATA, 'removexattr')
    super.removeXattr(nameKept(name))
  }

  /** A directory's entries do not say which of its regular files are that to the guest. */
  override get hidesTypes(): boolean {
    return true
  }

  protected override make(name: string, stat: FoundFile, fd: number, sealed: boolean): HostNode {
    // A file that was just made: its qid is told when it is too late for it to fail. Asked for before there
    // is a node: one that nobody gets would count among the tree's files for ever.
    const type = fd >= 0 ? modeOf(stat.mode, readStoredMode(fd)) & modes.TYPE : undefined
    const child = new MappedNode(this.context, this, name, stat, fd, sealed)
    child.#walkedType = type
    return child
  }

  protected override seenAgain(): void {
    this.#walkedType = undefined
  }

  protected override newborn(mode: number, { uid, gid }: Owner, rdev?: number): Newborn {
    const type = mode & modes.TYPE
    return {
      type,
      mode: type === modes.DIRECTORY ? DIRECTORY_MODE : FILE_MODE,
      finish(fd) {
        store(fd, { uid: uid === NO_UID ? undefined : uid, gid, mode, rdev })
      },
    }
  }

  /** On the host, the bits that are stored mean nothing. */
  protected override mustDropPrivileges(uid: number): boolean {
    return uid !== 0
  }

  override dropPrivileges(fd: number): void {
    const mode = readStoredMode(fd)
    if (mode === undefined) {
      super.dropPrivileges(fd)
      return
    }
    const left = withoutPrivileges(mode)
    if (left !== mode) store(fd, { mode: left })
  }

  /** What it is to the guest. */
  #type(): number {
    if (this.type !== modes.FILE) return this.type
    const type = modeOf(this.type, readStoredMode(this.descriptor())) & modes.TYPE
    this.#walkedType = type
    return type
  }
}

/** What mknod(2) makes. */
const made: ReadonlySet<number> = new Set([
  modes.FILE,
  modes.CHAR,
  modes.BLOCK,
  modes.FIFO,
  modes.SOCKET,
])

/** Where an attribute of the guest's is kept: an ordinary user's server may set no other. */
function nameKept(name: string): string {
  return acls.test(name) ? PREFIX + name : name
}
