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
import { Stat, statx, statxAt } from '../../sys/statx.ts'
import type { AttributeChanges, Attributes, FileSystemStatistics } from '../attributes.ts'
import { modes, openFlags } from '../flags.ts'
import type { Described } from '../saved-nodes.ts'
import type { DeviceNumber, Names, Node, OpenNode, Owner, Xattrs } from '../tree.ts'
import { changeAttributes, fillAttributes, giveTo, hostOwner } from './attributes.ts'
import type { EntryRules } from './entries.ts'
import { HostDirectory, HostFile } from './file.ts'
import { HELD, HeldFile } from './held-file.ts'
import { isKernelView } from './kernel-views.ts'
import { hostFlags, mayUseNoatime } from './open-flags.ts'
import type { HostContext } from './policy.ts'
import { dropPrivileges, mustDropPrivileges } from './privileges.ts'
import { type FoundFile, fileOf, fileText } from './saved-file.ts'
import { getXattr, listXattrs, removeXattr, setXattr } from './xattrs.ts'

/** What the lookup under way has found: nothing else fills it, so the nodes that settle meanwhile leave it alone. */
const lookedUp = new Stat()

/** A file that is about to be made. */
export interface Newborn {
  /** Its S_IFMT bits to the guest. */
  readonly type: number
  /** Its permissions on the host, until it is finished. */
  readonly mode: number
  /** Gives it what the system call that makes it cannot: owner, special bits, stored attributes. */
  finish(fd: number): void
}

/** What a client may do with a file of the host. HeldFile says how the file is held. */
export class HostNode extends HeldFile<HostNode> implements Node, Names, Xattrs, EntryRules {
  /** Whether it is a view of the kernel, which shows nothing, see kernel-views.ts. */
  readonly isSealed: boolean

  /**
   * The root of a tree.
   *
   * @param fd an O_PATH descriptor of it, which it owns from now on.
   */
  static root(context: HostContext, fd: number): HostNode {
    // `this` is the class that the method is called on: this one or MappedNode.
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
    this.isSealed = sealed
  }

  protected self(): HostNode {
    return this
  }

  /** S_IFMT bits that it has for the guest. */
  get type(): number {
    return this.hostType
  }

  get names(): Names {
    return this
  }

  get xattrs(): Xattrs {
    return this
  }

  lookup(name: string, attributes: Attributes | null): HostNode {
    if (name === '..') return this.#lookUpAbove(attributes)
    if (this.hostType !== modes.DIRECTORY) throw new ErrnoError(errno.ENOTDIR, 'lookup')
    if (this.isSealed) throw new ErrnoError(errno.ENOENT, 'lookup')
    const stat = statxAt(this.descriptor(), name, lookedUp)
    const known = this.known(name, stat)
    // Where another file system begins, it is looked at before anything in it.
    if (known === undefined && stat.dev !== this.device) {
      return this.adopt(name, this.openAt(name, HELD), attributes)
    }
    if (known === undefined) return this.newChild(name, stat, attributes)
    if (attributes !== null) {
      fillAttributes(attributes, stat, this.context)
      known.#complete(attributes)
    }
    return known
  }

  getattr(attributes: Attributes): void {
    fillAttributes(attributes, this.stat(), this.context)
    this.completeAttributes(attributes)
  }

  setattr(changes: AttributeChanges, file: OpenNode | null, uid: number): void {
    this.mayChange()
    changeAttributes(this.descriptor(), this.hostType, changes, file, uid, this.context)
  }

  readlink(): string {
    if (this.hostType !== modes.SYMLINK) throw new ErrnoError(errno.EINVAL, 'readlink')
    return readlink(this.descriptor())
  }

  statfs(): FileSystemStatistics {
    return fstatfs(this.descriptor())
  }

  open(flags: number, uid: number): OpenNode {
    const isFile = this.hostType === modes.FILE
    if (!isFile && !this.isDirectory) throw new ErrnoError(errno.ENXIO, 'open')
    if (this.isSealed && isFile) throw new ErrnoError(errno.EACCES, 'open')
    // The owner may have changed since the lookup, so it is asked for now.
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

  create(
    name: string,
    flags: number,
    mode: number,
    owner: Owner,
    attributes: Attributes | null,
  ): { node: Node; file: OpenNode } {
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
      if (!exists || (flags & openFlags.EXCL) !== 0) throw error
      return openExisting(this.lookup(name, attributes), flags, owner.uid)
    }
    try {
      newborn.finish(fd)
      // Not by its name, which another program may have removed already.
      const held = context.descriptors.open(context.self, `${fd}`, O_PATH | O_CLOEXEC)
      const node = this.adopt(name, held, attributes, newborn.type)
      return { node, file: node.#opened(fd, flags, owner.uid) }
    } catch (error) {
      context.descriptors.discard(fd)
      this.takeBack(name, 0)
      throw error
    }
  }

  mkdir(name: string, mode: number, owner: Owner, attributes: Attributes | null): HostNode {
    const newborn = this.newborn(modes.DIRECTORY | (mode & modes.PERMISSIONS), owner)
    mkdirat(this.directory(), name, newborn.mode)
    return this.finish(name, newborn, attributes, AT_REMOVEDIR)
  }

  mknod(
    name: string,
    mode: number,
    { major, minor }: DeviceNumber,
    owner: Owner,
    attributes: Attributes | null,
  ): HostNode {
    const kind = mode & modes.TYPE
    const newborn = this.newborn(kind | (mode & modes.PERMISSIONS), owner)
    mknodat(this.directory(), name, kind | newborn.mode, major, minor)
    return this.finish(name, newborn, attributes)
  }

  symlink(name: string, target: string, owner: Owner, attributes: Attributes | null): HostNode {
    // A symlink has no permissions of its own.
    const newborn = this.newborn(modes.SYMLINK, owner)
    symlinkat(target, this.directory(), name)
    return this.finish(name, newborn, attributes)
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
      return { ...place, identity: fileText(this.saved(this.isSealed)) }
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

  get inoAbove(): bigint {
    return this.above.ino
  }

  inoOf(ino: bigint): bigint {
    return this.context.inodes.of(ino, this.device)
  }

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

  #lookUpAbove(attributes: Attributes | null): HostNode {
    const { above } = this
    // It may have been unused for a while: it must still be there.
    above.descriptor()
    if (attributes !== null) above.getattr(attributes)
    above.retain()
    return above
  }

  /**
   * A node for what `stat` has found under `name` in this directory, which gets a descriptor later.
   *
   * @param type what the file is to the guest, where that is known.
   */
  protected newChild(
    name: string,
    stat: Stat,
    attributes: Attributes | null,
    type?: number,
  ): HostNode {
    if (attributes !== null) fillAttributes(attributes, stat, this.context)
    const child = this.make(name, stat, -1, this.isSealed, type)
    this.attach(child)
    if (attributes !== null) child.#complete(attributes)
    return child
  }

  /**
   * A node for a file of this directory that is open already.
   *
   * @param fd an O_PATH descriptor, which belongs to the node, and is closed on a failure.
   * @param type what the file is to the guest, where that is known.
   */
  protected adopt(
    name: string,
    fd: number,
    attributes: Attributes | null,
    type?: number,
  ): HostNode {
    const { context } = this
    let child: HostNode
    try {
      const stat = statx(fd)
      let sealed = this.isSealed
      if (stat.dev !== this.device) {
        const found = fstatfs(fd)
        context.inodes.learn(stat.dev, found.fsid)
        sealed ||= isKernelView(found.type)
      }
      if (attributes !== null) fillAttributes(attributes, stat, context)
      child = this.make(name, stat, fd, sealed, type)
      this.attach(child)
    } catch (error) {
      context.descriptors.discard(fd)
      throw error
    }
    if (attributes !== null) child.#complete(attributes)
    return child
  }

  /** {@link completeAttributes} for a node that is about to be returned: it is released on a failure. */
  #complete(attributes: Attributes): void {
    try {
      this.completeAttributes(attributes)
    } catch (error) {
      this.release()
      throw error
    }
  }

  /** Puts in what a guest's attributes have that the host's stat(2) does not say. */
  protected completeAttributes(_attributes: Attributes): void {}

  /** The descriptor of a file that has extended attributes to show. */
  protected attributed(): number {
    if (this.isSealed) throw new ErrnoError(errno.EOPNOTSUPP, 'kernel view')
    return this.descriptor()
  }

  protected mayChange(): void {
    if (this.isSealed) throw new ErrnoError(errno.EROFS, 'kernel view')
  }

  /** The descriptor of a directory whose names may be touched. */
  protected directory(): number {
    this.mayChange()
    return this.descriptor()
  }

  /** This file opened with the host's flags `host`, as a client has asked for with `flags`. */
  #reopened(host: number, flags: number, uid: number): OpenNode {
    const file = this.#opened(this.reopen(host), flags, uid)
    if (file.isDirectory) return file
    try {
      // As a write does.
      if ((flags & openFlags.TRUNC) !== 0 && file.dropsPrivileges) this.dropPrivileges(file.fd)
      return file
    } catch (error) {
      file.close()
      throw error
    }
  }

  /** What was opened of this node; until it is closed, the node stays as it is. */
  #opened(fd: number, flags: number, uid: number): HostFile | HostDirectory {
    this.pin()
    if (this.isDirectory) return new HostDirectory(fd, this)
    const writes = (flags & openFlags.ACCMODE) !== openFlags.RDONLY
    return new HostFile(fd, this, writes && this.mustDropPrivileges(uid), this.context)
  }

  /** A node of this one's class, in this directory; its parameters are those of {@link adopt}. */
  protected make(
    name: string,
    stat: FoundFile,
    fd: number,
    sealed: boolean,
    _type?: number,
  ): HostNode {
    return new HostNode(this.context, this, name, stat, fd, sealed)
  }

  /**
   * What is to be made for `owner`.
   *
   * @param mode type and permissions.
   * @throws EINVAL for an owner that the host has no number for.
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

  /** Finishes what was just made under `name`, or takes it back. */
  protected finish(
    name: string,
    newborn: Newborn,
    attributes: Attributes | null,
    removal = 0,
  ): HostNode {
    try {
      const fd = this.openAt(name, HELD)
      try {
        newborn.finish(fd)
      } catch (error) {
        this.context.descriptors.discard(fd)
        throw error
      }
      return this.adopt(name, fd, attributes, newborn.type)
    } catch (error) {
      this.takeBack(name, removal)
      throw error
    }
  }

  /** Removes what could not be finished: an operation that fails changes nothing. */
  protected takeBack(name: string, removal: number): void {
    try {
      unlinkat(this.descriptor(), name, removal)
    } catch (error) {
      // It is gone, or cannot be removed. The client gets the reason of what went wrong first.
      if (!(error instanceof ErrnoError)) throw error
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

function openExisting(node: Node, flags: number, uid: number): { node: Node; file: OpenNode } {
  try {
    return { node, file: node.open(flags, uid) }
  } catch (error) {
    node.release()
    throw error
  }
}
