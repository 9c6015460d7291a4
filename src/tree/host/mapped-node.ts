import { randomUUID } from 'node:crypto'
import { ErrnoError, errno } from '../../sys/errno.ts'
import {
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
} from '../../sys/constants.ts'
import { encodeDevice, mknodat, pread, pwrite } from '../../sys/files.ts'
import { systemMemory } from '../../sys/system-memory.ts'
import { removexattr } from '../../sys/xattr.ts'
import type { AttributeChanges, Attributes } from '../attributes.ts'
import { modes, renameFlags } from '../flags.ts'
import { type DeviceNumber, NO_UID, type Node, type OpenNode, type Owner } from '../tree.ts'
import { changeAttributes } from './host-attributes.ts'
import { HostNode, type Newborn } from './node.ts'
import { withoutPrivileges } from './privileges.ts'
import type { FoundFile } from './saved-file.ts'
import { PREFIX, modeOf, readStored, readStoredMode, store } from './stored-attributes.ts'
import { acls, privileged } from './xattrs.ts'

/**
 * The mode of a guest's files on the host: only the server needs to reach them (QEMU's SM_LOCAL_MODE_BITS).
 */
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700

/** Flags for an O_PATH descriptor of a file that is open already. */
const HELD_AGAIN = O_PATH | O_CLOEXEC

/** Longest target of a symlink in bytes, and room for its NUL (PATH_MAX). */
const TARGET_ROOM = 4096

const target = systemMemory(TARGET_ROOM)

/**
 * A file whose owner, mode and device number are stored in its extended attributes (stored-attributes.ts). So
 * an ordinary user's directory can hold everything that a guest's root makes. On the host, symlinks, devices,
 * FIFOs and sockets are regular files; a symlink's file contains the target. A file without stored attributes
 * is shown as it is.
 */
export class MappedNode extends HostNode {
  /** Its type for the guest, as of the last lookup; undefined if it was not read since. */
  #knownType: number | undefined

  override get type(): number {
    return this.#knownType ?? this.#readType()
  }

  protected override completeAttributes(attributes: Attributes): void {
    const { uid, gid, mode, rdev } = readStored(this.descriptor())
    attributes.uid = uid ?? attributes.uid
    attributes.gid = gid ?? attributes.gid
    attributes.rdev = rdev ?? attributes.rdev
    attributes.mode = modeOf(attributes.mode, mode)
  }

  override setattr(changes: AttributeChanges, file: OpenNode | null, uid: number): void {
    this.mayChange()
    const { mode, size, atime, mtime, ctime } = changes
    const fd = this.descriptor()
    const type = this.#readType()
    if (mode !== undefined && type === modes.SYMLINK) {
      throw new ErrnoError(errno.EOPNOTSUPP, 'chmod')
    }
    if (size !== undefined && type !== modes.FILE) throw new ErrnoError(errno.EINVAL, 'truncate')
    if (changes.uid !== undefined || changes.gid !== undefined) {
      store(fd, { uid: changes.uid, gid: changes.gid })
      // chown(2) clears the bits for every caller.
      this.dropPrivileges(fd)
    }
    if (mode !== undefined) store(fd, { mode: type | (mode & modes.PERMISSIONS) })
    if (size !== undefined && this.mustDropPrivileges(uid)) this.dropPrivileges(fd)
    changeAttributes(
      fd,
      this.hostType,
      { size, atime, mtime, ctime },
      file,
      uid,
      this.context,
      (flags) => this.reopen(flags),
    )
  }

  /** ACLs are kept where the host's kernel does not look for them. */
  override get inheritsAcls(): boolean {
    return false
  }

  override readlink(): string {
    if (this.hostType === modes.SYMLINK) return super.readlink()
    if (this.#readType() !== modes.SYMLINK) throw new ErrnoError(errno.EINVAL, 'readlink')
    const fd = this.reopen(O_RDONLY | O_CLOEXEC)
    try {
      const length = pread(fd, target.address, TARGET_ROOM, 0)
      if (length >= TARGET_ROOM) throw new ErrnoError(errno.ENAMETOOLONG, 'readlink')
      return target.bytes.toString('latin1', 0, length)
    } finally {
      this.context.descriptors.discard(fd)
    }
  }

  override open(flags: number, uid: number): OpenNode {
    const type = this.#readType()
    if (type !== modes.FILE && type !== modes.DIRECTORY) throw new ErrnoError(errno.ENXIO, 'open')
    return super.open(flags, uid)
  }

  override mknod(
    name: string,
    mode: number,
    { major, minor }: DeviceNumber,
    owner: Owner,
    attributes: Attributes | null,
  ): HostNode {
    const type = mode & modes.TYPE
    if (!made.has(type)) throw new ErrnoError(errno.EINVAL, 'mknod')
    const isDevice = type === modes.CHAR || type === modes.BLOCK
    const rdev = isDevice ? encodeDevice(major, minor) : undefined
    const newborn = this.newborn(mode, owner, rdev)
    mknodat(this.directory(), name, modes.FILE | newborn.mode, 0, 0)
    return this.finish(name, newborn, attributes)
  }

  override symlink(
    name: string,
    to: string,
    owner: Owner,
    attributes: Attributes | null,
  ): HostNode {
    const newborn = this.newborn(modes.SYMLINK | 0o777, owner)
    this.mayChange()
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
    const { descriptors, self } = this.context
    let fd = this.openAt(name, flags, newborn.mode)
    try {
      const length = target.bytes.write(to, 'latin1')
      for (let at = 0; at < length;) at += pwrite(fd, target.address + at, length - at, at)
      newborn.finish(fd)
      // Not by the name: another program may have removed it already.
      const held = descriptors.open(self, `${fd}`, HELD_AGAIN)
      const written = fd
      fd = -1
      try {
        // close(2) may be the first call that reports a full disk.
        descriptors.close(written)
      } catch (error) {
        descriptors.discard(held)
        throw error
      }
      return this.adopt(name, held, attributes, newborn.type)
    } catch (error) {
      if (fd >= 0) descriptors.discard(fd)
      this.takeBack(name, 0)
      throw error
    }
  }

  /**
   * See Names.rename. A whiteout of the guest is a file with stored attributes like any other device: the kernel would make a
   * device on the host. It is made under a name that nobody uses, and changes places with the file; then the file moves.
   */
  override rename(oldName: string, directory: Node, newName: string, flags = 0): void {
    if ((flags & renameFlags.WHITEOUT) === 0) {
      super.rename(oldName, directory, newName, flags)
      return
    }
    const others = flags & ~renameFlags.WHITEOUT
    if ((others & ~renameFlags.NOREPLACE) !== 0) throw new ErrnoError(errno.EINVAL, 'rename')
    const aside = `.lowerdir-${randomUUID()}`
    const whiteout = { major: 0, minor: 0 }
    this.mknod(aside, modes.CHAR, whiteout, { uid: 0, gid: 0 }, null).release()
    try {
      super.rename(aside, this, oldName, renameFlags.EXCHANGE)
    } catch (error) {
      this.takeBack(aside, 0)
      throw error
    }
    try {
      super.rename(aside, directory, newName, others)
    } catch (error) {
      // Where this fails as well, the file keeps that name: it is not to be lost.
      super.rename(aside, this, oldName, renameFlags.EXCHANGE)
      this.takeBack(aside, 0)
      throw error
    }
  }

  override listXattrs(): Uint8Array {
    const names = Buffer.from(super.listXattrs()).toString('latin1').split('\0')
    const shown = names.flatMap((name) => {
      // Those that are really the host's have no meaning to the guest.
      if (name === '' || isKept(name)) return []
      if (!name.startsWith(PREFIX)) return [`${name}\0`]
      const kept = name.slice(PREFIX.length)
      if (acls.test(kept) && !this.context.acls) return []
      return isKept(kept) ? [`${kept}\0`] : []
    })
    return Buffer.from(shown.join(''), 'latin1')
  }

  override getXattr(name: string): Uint8Array {
    if (name.startsWith(PREFIX)) throw new ErrnoError(errno.ENODATA, 'getxattr')
    return super.getXattr(name)
  }

  override setXattr(name: string, value: Uint8Array, flags: number): void {
    if (name.startsWith(PREFIX)) throw new ErrnoError(errno.EPERM, 'setxattr')
    super.setXattr(name, value, flags)
  }

  override removeXattr(name: string): void {
    if (name.startsWith(PREFIX)) throw new ErrnoError(errno.ENODATA, 'removexattr')
    super.removeXattr(name)
  }

  protected override storedName(name: string): string {
    return isKept(name) ? PREFIX + name : name
  }

  /** A directory's entries do not tell which regular files of the host have another type for the guest. */
  override get hidesTypes(): boolean {
    return true
  }

  protected override make(
    name: string,
    stat: FoundFile,
    fd: number,
    sealed: boolean,
    type?: number,
  ): HostNode {
    // Read before the node is made. If reading fails, there is no node that would count for ever.
    const knownType =
      type ?? (fd >= 0 ? modeOf(stat.mode, readStoredMode(fd)) & modes.TYPE : undefined)
    const child = new MappedNode(this.context, this, name, stat, fd, sealed)
    child.#knownType = knownType
    return child
  }

  protected override seenAgain(): void {
    this.#knownType = undefined
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

  /** The stored bits have no effect on the host. */
  protected override mustDropPrivileges(uid: number): boolean {
    return uid !== 0
  }

  override dropPrivileges(fd: number): void {
    dropCapabilities(fd)
    const mode = readStoredMode(fd)
    if (mode === undefined) {
      super.dropPrivileges(fd)
      return
    }
    const left = withoutPrivileges(mode)
    if (left !== mode) store(fd, { mode: left })
  }

  /** Its present type for the guest. */
  #readType(): number {
    if (this.hostType !== modes.FILE) return this.hostType
    const type = modeOf(this.hostType, readStoredMode(this.descriptor())) & modes.TYPE
    this.#knownType = type
    return type
  }
}

/** The types that mknod(2) makes. */
const made: ReadonlySet<number> = new Set([
  modes.FILE,
  modes.CHAR,
  modes.BLOCK,
  modes.FIFO,
  modes.SOCKET,
])

/**
 * Whether a guest's extended attribute is kept under another name, in `user.`: ACLs, capabilities, labels and the like. On the
 * host they would have an effect, and the server of an ordinary user may set no other.
 */
function isKept(name: string): boolean {
  return privileged.test(name) || acls.test(name)
}

const CAPABILITIES = `${PREFIX}security.capability`

/** Removes a file's capabilities, as the kernel does at a write and at a chown (cap_inode_killpriv). */
function dropCapabilities(fd: number): void {
  try {
    removexattr(fd, CAPABILITIES)
  } catch (error) {
    // EOPNOTSUPP: no file system that has stored attributes.
    const isMissing =
      error instanceof ErrnoError &&
      (error.errno === errno.ENODATA || error.errno === errno.EOPNOTSUPP)
    if (!isMissing) throw error
  }
}
