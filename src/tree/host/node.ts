import { ErrnoError, errno } from '../../sys/errno.ts'
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_TMPFILE,
  O_TRUNC,
} from '../../sys/constants.ts'
import {
  descriptorPath,
  linkat,
  mkdirat,
  mknodat,
  renameat,
  renameat2,
  syncfs,
  symlinkat,
  unlinkat,
} from '../../sys/files.ts'
import { statx } from '../../sys/statx.ts'
import type { Attributes } from '../attributes.ts'
import { modes, openFlags, renameFlags } from '../flags.ts'
import type { DeviceNumber, Names, Node, OpenNode, Owner } from '../tree.ts'
import { giveTo, hostOwner } from './host-attributes.ts'
import { FoundNode } from './found-node.ts'
import { HELD } from './held-file.ts'
import { hostFlags } from './open-flags.ts'
import type { HostContext } from './policy.ts'
import type { FoundFile } from './saved-file.ts'

/** A file that is being made. */
export interface Newborn {
  /** The S_IFMT bits that the guest sees. */
  readonly type: number
  /** The permissions on the host until it is finished. */
  readonly mode: number
  /** Sets what the system call that made it cannot set: owner, special bits, stored attributes. */
  finish(fd: number): void
}

/** What a client may do with a file of the host, including changes of names. */
export class HostNode extends FoundNode<HostNode> implements Node, Names {
  /**
   * The root of a tree.
   *
   * @param fd an O_PATH descriptor of it. The node owns it.
   */
  static root(context: HostContext, fd: number): HostNode {
    // `this` is the class that the method was called on: HostNode or MappedNode.
    return new this(context, null, '', statx(fd), fd, false)
  }

  protected self(): HostNode {
    return this
  }

  get names(): Names {
    return this
  }

  /** The host's kernel does it. */
  get inheritsAcls(): boolean {
    return true
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
      // Without O_EXCL, create opens a file that exists. It does so as carefully as any other open.
      const exists = error instanceof ErrnoError && error.errno === errno.EEXIST
      if (!exists || (flags & openFlags.EXCL) !== 0) throw error
      return openExisting(this.lookup(name, attributes), flags, owner.uid)
    }
    try {
      newborn.finish(fd)
      // Not by the name: another program may have removed it already.
      const held = context.descriptors.open(context.self, `${fd}`, O_PATH | O_CLOEXEC)
      const node = this.adopt(name, held, attributes, newborn.type)
      return { node, file: node.opened(fd, flags, owner.uid) }
    } catch (error) {
      context.descriptors.discard(fd)
      this.takeBack(name, 0)
      throw error
    }
  }

  tmpfile(
    flags: number,
    mode: number,
    owner: Owner,
    attributes: Attributes | null,
  ): { node: Node; file: OpenNode } {
    const { context } = this
    const host = (hostFlags(flags, context, false) | O_TMPFILE) & ~(O_NONBLOCK | O_EXCL | O_TRUNC)
    const newborn = this.newborn(modes.FILE | (mode & modes.PERMISSIONS), owner)
    this.mayChange()
    const fd = context.descriptors.open(context.self, `${this.descriptor()}`, host, newborn.mode)
    try {
      newborn.finish(fd)
      const held = context.descriptors.open(context.self, `${fd}`, O_PATH | O_CLOEXEC)
      const node = this.adopt('', held, attributes, newborn.type)
      node.loseName()
      return { node, file: node.opened(fd, flags, owner.uid) }
    } catch (error) {
      context.descriptors.discard(fd)
      throw error
    }
  }

  /** See Node.syncfs. */
  syncfs(): void {
    const { descriptors } = this.context
    // No O_PATH descriptor can be synced, and of the files only directories may be opened without harm.
    const fd = this.reopen(O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    try {
      syncfs(fd)
    } finally {
      descriptors.discard(fd)
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
    // A symlink has no permissions.
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
      target.regainName(this, name)
    } finally {
      this.unpin()
    }
  }

  rename(oldName: string, directory: Node, newName: string, flags = 0): void {
    if (!this.isNeighbour(directory)) throw new ErrnoError(errno.EXDEV, 'rename')
    const moved = this.child(oldName)
    const replaced = directory.child(newName)
    this.pin()
    replaced?.keep()
    try {
      const from = this.directory()
      if (flags === 0) renameat(from, oldName, directory.directory(), newName)
      else renameat2(from, oldName, directory.directory(), newName, flags)
    } finally {
      this.unpin()
      replaced?.unpin()
    }
    if (moved === replaced) return
    if ((flags & renameFlags.EXCHANGE) === 0) {
      replaced?.loseName()
      moved?.moveTo(directory, newName)
    } else if (moved !== undefined) {
      moved.exchangeWith(replaced, directory, newName, this, oldName)
    } else replaced?.moveTo(this, oldName)
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

  /** The descriptor of a directory in which names may be changed. */
  protected directory(): number {
    this.mayChange()
    return this.descriptor()
  }

  /** Makes a node of the same class, in this directory. Parameters as for {@link adopt}. */
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
   * A file that `owner` asks to make.
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

  /** Finishes a file that was just made under `name`. If that fails, the file is removed. */
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

  /** Removes a file that could not be finished: an operation that fails must change nothing. */
  protected takeBack(name: string, removal: number): void {
    try {
      unlinkat(this.descriptor(), name, removal)
    } catch (error) {
      // The file is gone, or cannot be removed. The client gets the first error, which says what went wrong.
      if (!(error instanceof ErrnoError)) throw error
    }
  }

  /** Whether `node` belongs to this tree. */
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
