import { ErrnoError, errno } from '../../sys/errno.ts'
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
} from '../../sys/constants.ts'
import {
  descriptorPath,
  linkat,
  mkdirat,
  mknodat,
  renameat,
  symlinkat,
  unlinkat,
} from '../../sys/files.ts'
import { statx } from '../../sys/statx.ts'
import type { Attributes } from '../attributes.ts'
import { modes, openFlags } from '../flags.ts'
import type { DeviceNumber, Names, Node, OpenNode, Owner } from '../tree.ts'
import { giveTo, hostOwner } from './host-attributes.ts'
import { FoundNode } from './found-node.ts'
import { HELD } from './held-file.ts'
import { hostFlags } from './open-flags.ts'
import type { HostContext } from './policy.ts'
import type { FoundFile } from './saved-file.ts'

/** A file that is about to be made. */
export interface Newborn {
  /** Its S_IFMT bits to the guest. */
  readonly type: number
  /** Its permissions on the host, until it is finished. */
  readonly mode: number
  /** Gives it what the system call that makes it cannot: owner, special bits, stored attributes. */
  finish(fd: number): void
}

/** What a client may do with a file of the host, changes of names included. */
export class HostNode extends FoundNode<HostNode> implements Node, Names {
  /**
   * The root of a tree.
   *
   * @param fd an O_PATH descriptor of it, which it owns from now on.
   */
  static root(context: HostContext, fd: number): HostNode {
    // `this` is the class that the method is called on: this one or MappedNode.
    return new this(context, null, '', statx(fd), fd, false)
  }

  protected self(): HostNode {
    return this
  }

  get names(): Names {
    return this
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
      return { node, file: node.opened(fd, flags, owner.uid) }
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

  /** The descriptor of a directory whose names may be touched. */
  protected directory(): number {
    this.mayChange()
    return this.descriptor()
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
