import { ErrnoError, errno } from '../../sys/errno.ts'
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
} from '../../sys/constants.ts'
import {
  descriptorPath,
  fstatfs,
  linkat,
  mkdirat,
  mknodat,
  readlink,
  renameat,
  symlinkat,
  unlinkat,
} from '../../sys/files.ts'
import { type Stat, statx, statxAt } from '../../sys/statx.ts'
import { V9FS_MAGIC, mode as modes, open as wire } from '../../9p/wire/flags.ts'
import type { R, T } from '../../9p/wire/messages.ts'
import type { Qid } from '../../9p/wire/qid.ts'
import type { Described } from '../saved-nodes.ts'
import type { Node, OpenFile, Owner } from '../tree.ts'
import { attributesOf, changeAttributes, giveTo, hostOwner } from './attributes.ts'
import type { HostEntry } from './entries.ts'
import { HostFile } from './file.ts'
import { HELD, HeldFile, lastStat } from './held-file.ts'
import { qidOf, qidTypeOf } from './identity.ts'
import { isKernelView } from './kernel-views.ts'
import { hostFlags, mayUseNoatime } from './open-flags.ts'
import type { HostContext } from './policy.ts'
import { dropPrivileges, mustDropPrivileges } from './privileges.ts'
import { type FoundFile, fileOf, fileText } from './saved-file.ts'
import { getXattr, listXattrs, removeXattr, setXattr } from './xattrs.ts'

/** Something that is about to be made, and what is to be done once it is. */
export interface Newborn {
  /** Its S_IFMT bits to the guest. */
  readonly type: number
  /** Its permissions on the host, until it is finished. */
  readonly mode: number
  finish(fd: number): void
}

/** What a client may do with a file of the host. How the file is held is HeldFile's business. */
export class HostNode extends HeldFile<HostNode> implements Node {
  /** A directory that shows nothing, see kernel-views.ts. */
  readonly #sealed: boolean

  /**
   * The root of a tree.
   *
   * @param fd an O_PATH descriptor of it, which it owns from now on.
   */
  static root(context: HostContext, fd: number): HostNode {
    // Called as a class's own method: whichever class that is.
    return new this(context, null, '', statx(fd), fd, false)
  }

  protected constructor(
    context: HostContext,
    parent: HostNode | null,
    name: string,
    stat: FoundFile,
    fd: number,
    sealed: boolean,
  ) {
    super(context, parent, name, stat, fd)
    this.#sealed = sealed
  }

  protected self(): HostNode {
    return this
  }

  walk(name: string): Node {
    if (name === '..') {
      const { above } = this
      // Nobody may have used it for a while: it has to be there still.
      above.descriptor()
      above.retain()
      return above
    }
    if (this.type !== modes.DIRECTORY) throw new ErrnoError(errno.ENOTDIR, 'walk')
    if (this.#sealed) throw new ErrnoError(errno.ENOENT, 'walk')
    const stat = statxAt(this.descriptor(), name, lastStat)
    return this.known(name, stat) ?? this.#newChild(name, stat)
  }

  getattr(mask: number): R<'getattr'> {
    return attributesOf(this.stat(), mask, this.context)
  }

  setattr(changes: T<'setattr'>, file: OpenFile | null, uid: number): void {
    this.mayChange()
    changeAttributes(this.descriptor(), this.type, changes, file, uid, this.context)
  }

  readlink(): string {
    if (this.type !== modes.SYMLINK) throw new ErrnoError(errno.EINVAL, 'readlink')
    return readlink(this.descriptor())
  }

  statfs(): R<'statfs'> {
    return { ...fstatfs(this.descriptor()), type: V9FS_MAGIC }
  }

  open(flags: number, uid: number): OpenFile {
    const isFile = this.type === modes.FILE
    if (!isFile && this.type !== modes.DIRECTORY) throw new ErrnoError(errno.ENXIO, 'open')
    if (this.#sealed && isFile) throw new ErrnoError(errno.EACCES, 'open')
    // The owner may have changed since the walk, so it is asked for now.
    const mayNoatime = mayUseNoatime(this.hold().uid, this.context)
    const host = hostFlags(flags, this.context, mayNoatime) & ~(O_EXCL | O_NOFOLLOW)
    try {
      return this.#reopened(host, flags, uid)
    } catch (error) {
      // In a user namespace a file's owner may not be mapped, and CAP_FOWNER then does not reach it.
      const refused = error instanceof ErrnoError && error.errno === errno.EPERM
      if (!refused || (host & O_NOATIME) === 0) throw error
      return this.#reopened(host & ~O_NOATIME, flags, uid)
    }
  }

  create(name: string, flags: number, mode: number, owner: Owner): { node: Node; file: OpenFile } {
    const { context } = this
    const host = (hostFlags(flags, context, false) | O_CREAT | O_EXCL | O_NOFOLLOW) & ~O_NONBLOCK
    const newborn = this.newborn(modes.FILE | (mode & modes.PERMISSIONS), owner)
    let fd: number
    try {
      this.mayChange()
      fd = this.openAt(name, host, newborn.mode)
    } catch (error) {
      // Without O_EXCL an existing file is opened, the same careful way as any other.
      const exists = error instanceof ErrnoError && error.errno === errno.EEXIST
      if (!exists || (flags & wire.EXCL) !== 0) throw error
      return openExisting(this.walk(name), flags, owner.uid)
    }
    try {
      newborn.finish(fd)
      // Not by its name, which somebody may have taken away already.
      const held = context.descriptors.open(context.self, `${fd}`, O_PATH | O_CLOEXEC)
      const node = this.#adopt(name, held)
      return { node, file: node.#opened(fd, flags, owner.uid) }
    } catch (error) {
      context.descriptors.discard(fd)
      this.takeBack(name, 0)
      throw error
    }
  }

  mkdir(name: string, mode: number, owner: Owner): Qid {
    const newborn = this.newborn(modes.DIRECTORY | (mode & modes.PERMISSIONS), owner)
    mkdirat(this.directory(), name, newborn.mode)
    return this.finish(name, newborn, AT_REMOVEDIR)
  }

  mknod(name: string, mode: number, major: number, minor: number, owner: Owner): Qid {
    const kind = mode & modes.TYPE
    const newborn = this.newborn(kind | (mode & modes.PERMISSIONS), owner)
    mknodat(this.directory(), name, kind | newborn.mode, major, minor)
    return this.finish(name, newborn)
  }

  symlink(name: string, target: string, owner: Owner): Qid {
    // A symlink has no permissions of its own.
    const newborn = this.newborn(modes.SYMLINK, owner)
    symlinkat(target, this.directory(), name)
    return this.finish(name, newborn)
  }

  link(target: Node, name: string): void {
    if (!this.isNeighbour(target)) throw new ErrnoError(errno.EXDEV, 'link')
    this.pin()
    try {
      const directory = this.directory()
      const path = descriptorPath(target.descriptor())
      linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW)
    } finally {
      this.unpin()
    }
  }

  rename(oldName: string, directory: Node, newName: string): void {
    if (!this.isNeighbour(directory)) throw new ErrnoError(errno.EXDEV, 'rename')
    const moved = this.child(oldName)
    const replaced = directory.child(newName)
    this.pin()
    replaced?.keep()
    try {
      const from = this.directory()
      renameat(from, oldName, directory.directory(), newName)
    } finally {
      this.unpin()
      replaced?.unpin()
    }
    if (moved === replaced) return
    replaced?.loseName()
    moved?.moveTo(directory, newName)
  }

  unlink(name: string, directory: boolean): void {
    const removed = this.child(name)
    removed?.keep()
    try {
      unlinkat(this.directory(), name, directory ? AT_REMOVEDIR : 0)
    } finally {
      removed?.unpin()
    }
    removed?.loseName()
  }

  listXattrs(): Uint8Array {
    return listXattrs(this.attributed())
  }

  getXattr(name: string): Uint8Array {
    return getXattr(this.attributed(), name)
  }

  setXattr(name: string, value: Uint8Array, flags: number): void {
    setXattr(this.attributed(), name, value, flags)
  }

  removeXattr(name: string): void {
    removeXattr(this.attributed(), name)
  }

  /** See Tree.save; undefined where nothing leads to it. */
  describe(): Described<HostNode> | undefined {
    const place = this.findable
    if (place === undefined) return undefined
    try {
      return { ...place, identity: fileText(this.saved(this.#sealed)) }
    } catch (error) {
      if (error instanceof ErrnoError) return undefined
      throw error
    }
  }

  /** This directory, used once more, if it is the one that was saved. @throws ESTALE */
  recall(identity: string): HostNode {
    this.expectSame(fileOf(identity))
    this.retain()
    return this
  }

  /**
   * What was saved as `name` in this directory, used once.
   *
   * @throws ESTALE when it is not there any more, or has changed.
   */
  revive(name: string, identity: string): HostNode {
    const file = fileOf(identity)
    let node = this.recalled(name, file)
    if (node === undefined) {
      // It gets a descriptor when something needs it: a guest that caches has very many such files.
      node = this.make(name, file, -1, file.sealed)
      this.attach(node, false)
      node.keepPrefix(file.prefix)
    }
    try {
      node.expectUnchanged(file)
      return node
    } catch (error) {
      node.release()
      throw error
    }
  }

  /** How an entry of this directory is shown; undefined for one that is not. */
  shown(entry: HostEntry): bigint | undefined {
    const { paths } = this.context
    if (entry.dots === 2) return this.above.path
    return this.#sealed && entry.dots === 0 ? undefined : paths.of(entry.ino, this.device)
  }

  /** Whether an entry's type may be another than the host says. */
  get hidesTypes(): boolean {
    return false
  }

  closeFile(fd: number): void {
    try {
      this.context.descriptors.close(fd)
    } finally {
      this.unpin()
    }
  }

  /** A node for what `stat` has found under `name` in this directory, used once. */
  #newChild(name: string, stat: Stat): HostNode {
    // Where another file system begins, it is looked at before anything in it.
    if (stat.dev !== this.device) return this.#adopt(name, this.openAt(name, HELD))
    const child = this.make(name, stat, -1, this.#sealed)
    this.attach(child)
    return child
  }

  /** The same for a file that is held already; `fd` belongs to the node, and is closed on a failure. */
  #adopt(name: string, fd: number): HostNode {
    const { descriptors, paths } = this.context
    try {
      const stat = statx(fd)
      let sealed = this.#sealed
      if (stat.dev !== this.device) {
        const { type, fsid } = fstatfs(fd)
        paths.learn(stat.dev, fsid)
        sealed ||= isKernelView(type)
      }
      const child = this.make(name, stat, fd, sealed)
      this.attach(child)
      return child
    } catch (error) {
      descriptors.discard(fd)
      throw error
    }
  }

  /** The descriptor of a file that has extended attributes to show. */
  protected attributed(): number {
    if (this.#sealed) throw new ErrnoError(errno.EOPNOTSUPP, 'kernel view')
    return this.descriptor()
  }

  protected mayChange(): void {
    if (this.#sealed) throw new ErrnoError(errno.EROFS, 'kernel view')
  }

  /** The descriptor of a directory whose names may be touched. */
  protected directory(): number {
    this.mayChange()
    return this.descriptor()
  }

  /** This file opened with the host's flags `host`, as a client has asked for with `flags`. */
  #reopened(host: number, flags: number, uid: number): HostFile {
    const fd = this.reopen(host)
    const file = this.#opened(fd, flags, uid)
    try {
      // As a write does.
      if ((flags & wire.TRUNC) !== 0 && file.dropsPrivileges) this.dropPrivileges(fd)
      return file
    } catch (error) {
      file.close()
      throw error
    }
  }

  /** An open file of this node; until it is closed, the node stays as it is. */
  #opened(fd: number, flags: number, uid: number): HostFile {
    this.pin()
    const writes = (flags & wire.ACCMODE) !== wire.RDONLY
    return new HostFile(fd, this, writes && this.mustDropPrivileges(uid), this.context)
  }

  /** A node of this one's class, in this directory. */
  protected make(name: string, stat: FoundFile, fd: number, sealed: boolean): HostNode {
    return new HostNode(this.context, this, name, stat, fd, sealed)
  }

  /**
   * What is to be made for `owner`.
   *
   * @param mode type and permissions.
   * @throws EINVAL for an owner whom the host has no number for.
   */
  protected newborn(mode: number, owner: Owner): Newborn {
    const permissions = mode & modes.PERMISSIONS
    const hostOwned = hostOwner(owner, this.context)
    const { context } = this
    return {
      type: mode & modes.TYPE,
      mode: permissions,
      finish: (fd) => giveTo(fd, hostOwned, permissions, context),
    }
  }

  /** Finishes what was just made under `name`, or takes it back; returns its qid. */
  protected finish(name: string, newborn: Newborn, removal = 0): Qid {
    const { descriptors, paths } = this.context
    try {
      const fd = this.openAt(name, HELD)
      try {
        newborn.finish(fd)
        return { ...qidOf(statx(fd), paths), type: qidTypeOf(newborn.type) }
      } finally {
        descriptors.discard(fd)
      }
    } catch (error) {
      this.takeBack(name, removal)
      throw error
    }
  }

  /** Removes what could not be finished: what fails has changed nothing. */
  protected takeBack(name: string, removal: number): void {
    try {
      unlinkat(this.descriptor(), name, removal)
    } catch {
      // It is gone, or cannot be had back; the reason for that is not what went wrong first.
    }
  }

  /** See privileges.ts. */
  protected mustDropPrivileges(uid: number): boolean {
    return mustDropPrivileges(uid, this.context.credentials)
  }

  /** Takes setuid and setgid bits from this file, of which `fd` is a descriptor. */
  dropPrivileges(fd: number): void {
    dropPrivileges(fd)
  }

  /** Whether it is of this tree. */
  protected isNeighbour(node: Node): node is HostNode {
    return node instanceof HostNode && node.context === this.context
  }
}

function openExisting(node: Node, flags: number, uid: number): { node: Node; file: OpenFile } {
  try {
    return { node, file: node.open(flags, uid) }
  } catch (error) {
    node.release()
    throw error
  }
}
