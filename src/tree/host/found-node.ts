import { ErrnoError, errno } from '../../sys/errno.ts'
import { O_EXCL, O_NOATIME, O_NOFOLLOW } from '../../sys/constants.ts'
import { fstatfs, readlink } from '../../sys/files.ts'
import { Stat, statx, statxAt } from '../../sys/statx.ts'
import type { AttributeChanges, Attributes, FileSystemStatistics } from '../attributes.ts'
import { modes, openFlags } from '../flags.ts'
import type { Described } from '../saved-nodes.ts'
import type { Keeper, OpenNode, Xattrs } from '../tree.ts'
import type { Holder } from './descriptors.ts'
import { changeAttributes, fillAttributes } from './host-attributes.ts'
import type { EntryRules } from './entries.ts'
import { HostDirectory, HostFile } from './file.ts'
import { HELD, HeldFile } from './held-file.ts'
import { isKernelView } from './kernel-views.ts'
import { hostFlags, mayUseNoatime } from './open-flags.ts'
import type { HostContext } from './policy.ts'
import { dropPrivileges, mustDropPrivileges } from './privileges.ts'
import { type FoundFile, LONG_AGO, fileOf, fileText } from './saved-file.ts'
import { acls, getXattr, listXattrs, privileged, removeXattr, setXattr } from './xattrs.ts'

/**
 * The result of the lookup that is under way. Only a lookup fills it, so nodes that settle meanwhile do not
 * change it.
 */
const lookedUp = new Stat()

/**
 * What a client may do with a file or a directory of the host, except for changes of names: node.ts adds
 * these. HeldFile knows how the file is held.
 *
 * @typeParam Self the class that is made of it.
 */
export abstract class FoundNode<Self extends FoundNode<Self>>
  extends HeldFile<Self>
  implements Xattrs, EntryRules
{
  /** Whether it belongs to a view of the kernel, which shows as an empty directory: see kernel-views.ts. */
  readonly isSealed: boolean

  protected constructor(
    context: HostContext,
    parent: Self | null,
    name: string,
    stat: FoundFile,
    fd: number,
    sealed: boolean,
  ) {
    super(context, parent, name, stat, fd)
    this.isSealed = sealed
  }

  /** The S_IFMT bits that the guest sees. */
  get type(): number {
    return this.hostType
  }

  get xattrs(): Xattrs {
    return this
  }

  lookup(name: string, attributes: Attributes | null): Self {
    if (name === '..') return this.#lookUpAbove(attributes)
    if (this.hostType !== modes.DIRECTORY) throw new ErrnoError(errno.ENOTDIR, 'lookup')
    if (this.isSealed) throw new ErrnoError(errno.ENOENT, 'lookup')
    const stat = statxAt(this.descriptor(), name, lookedUp)
    const known = this.known(name, stat)
    // Another file system begins here, so its type is checked before anything in it is used. Or only a descriptor identifies
    // the file.
    if (known === undefined && (stat.dev !== this.device || !this.context.births.identify(stat))) {
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
    changeAttributes(this.descriptor(), this.hostType, changes, file, uid, this.context, (flags) =>
      this.reopen(flags),
    )
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
    // The owner may have changed since the lookup, so it is asked for again.
    const mayNoatime = mayUseNoatime(this.hold().uid, this.context)
    const host = hostFlags(flags, this.context, mayNoatime) & ~(O_EXCL | O_NOFOLLOW)
    try {
      return this.#reopened(host, flags, uid)
    } catch (error) {
      // In a user namespace the file's owner may not be mapped. CAP_FOWNER does not apply to the file then.
      const refused = error instanceof ErrnoError && error.errno === errno.EPERM
      if (!refused || (host & O_NOATIME) === 0) throw error
      return this.#reopened(host & ~O_NOATIME, flags, uid)
    }
  }

  listXattrs(): Uint8Array {
    return listXattrs(this.attributed())
  }

  getXattr(name: string): Uint8Array {
    this.#checkAcls(name)
    return getXattr(this.attributed(), name, this.storedName(name))
  }

  setXattr(name: string, value: Uint8Array, flags: number): void {
    this.#checkAcls(name)
    this.mayChangeXattr(name)
    setXattr(this.attributed(), name, value, flags, this.storedName(name))
  }

  removeXattr(name: string): void {
    this.#checkAcls(name)
    this.mayChangeXattr(name)
    removeXattr(this.attributed(), name, this.storedName(name))
  }

  /** @throws EOPNOTSUPP for an ACL, where these are not supported. */
  #checkAcls(name: string): void {
    if (!this.context.acls && acls.test(name)) throw new ErrnoError(errno.EOPNOTSUPP, 'ACL')
  }

  /** The host's name for a guest's extended attribute. */
  protected storedName(name: string): string {
    return name
  }

  /**
   * @throws EPERM for what only root of the host may change, where the guest's root is another user: as in a user namespace
   *   (user_namespaces(7)).
   */
  protected mayChangeXattr(name: string): void {
    if (this.context.owners.isMapped && privileged.test(name)) {
      throw new ErrnoError(errno.EPERM, 'privileged attribute')
    }
  }

  /** See Tree.save; undefined for a node that no name leads to. */
  describe(): Described<Self> | undefined {
    const place = this.findable
    if (place === undefined) return undefined
    try {
      return { ...place, identity: fileText(this.saved(this.isSealed)) }
    } catch (error) {
      if (error instanceof ErrnoError) return undefined
      throw error
    }
  }

  /** This directory, with one use more, if it is the one that was saved. @throws ESTALE */
  recall(identity: string): Self {
    this.expectSame(fileOf(identity))
    this.retain()
    return this.self()
  }

  /**
   * The node that was saved as `name` in this directory, with one use.
   *
   * @throws ESTALE when it is not there any more, or has changed.
   */
  revive(name: string, identity: string): Self {
    const file = fileOf(identity)
    let node = this.recalled(name, file)
    if (node === undefined) {
      if (file.bornAt === LONG_AGO) this.context.births.learnSaved(file.dev)
      // It gets a descriptor when it needs one: a guest that caches has very many such files.
      node = this.make(name, file, -1, file.sealed)
      this.attach(node, false)
      node.keepPrefix(file.prefix)
      node.isProvenBy(file)
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

  lend(keeper: Keeper): Holder {
    const holder = { mayGiveBack: () => keeper.mayClose(), giveBack: () => keeper.close() }
    this.context.descriptors.add(holder)
    return holder
  }

  closeFile(fd: number, lent: Holder | undefined): void {
    if (lent !== undefined) this.context.descriptors.delete(lent)
    try {
      this.context.descriptors.close(fd)
    } finally {
      this.unpin()
    }
  }

  #lookUpAbove(attributes: Attributes | null): Self {
    const { above } = this
    // Nothing may have used it for a while, so check that it is still there.
    if (attributes === null) above.descriptor()
    else above.getattr(attributes)
    above.retain()
    return above
  }

  /**
   * A node for the file `name` in this directory, which `stat` describes. It gets a descriptor later.
   *
   * @param type the type that the guest sees, if that is known.
   */
  protected newChild(name: string, stat: Stat, attributes: Attributes | null, type?: number): Self {
    if (attributes !== null) fillAttributes(attributes, stat, this.context)
    const child = this.make(name, stat, -1, this.isSealed, type)
    this.attach(child)
    if (attributes !== null) child.#complete(attributes)
    return child
  }

  /**
   * A node for a file of this directory that is open already.
   *
   * @param fd an O_PATH descriptor. The node owns it; on a failure it is closed.
   * @param type the type that the guest sees, if that is known.
   */
  protected adopt(name: string, fd: number, attributes: Attributes | null, type?: number): Self {
    const { context } = this
    let child: Self
    try {
      const stat = statx(fd, lookedUp)
      let sealed = this.isSealed
      if (stat.dev !== this.device) {
        const found = fstatfs(fd)
        context.inodes.learn(stat.dev, found.fsid)
        context.births.learn(stat.dev, found.type)
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

  /** {@link completeAttributes} for a node that is about to be returned. A failure releases the node. */
  #complete(attributes: Attributes): void {
    try {
      this.completeAttributes(attributes)
    } catch (error) {
      this.release()
      throw error
    }
  }

  /** Adds those attributes of the guest that the host's stat(2) does not have. */
  protected completeAttributes(_attributes: Attributes): void {}

  /** A descriptor for reading the file's extended attributes. */
  protected attributed(): number {
    if (this.isSealed) throw new ErrnoError(errno.EOPNOTSUPP, 'kernel view')
    return this.descriptor()
  }

  protected mayChange(): void {
    if (this.isSealed) throw new ErrnoError(errno.EROFS, 'kernel view')
  }

  /** Opens this file with the host's flags `host`, for a client that has asked for `flags`. */
  #reopened(host: number, flags: number, uid: number): OpenNode {
    const file = this.opened(this.reopen(host), flags, uid)
    if (file.isDirectory) return file
    try {
      // O_TRUNC takes setuid and setgid bits, as a write does.
      if ((flags & openFlags.TRUNC) !== 0 && file.dropsPrivileges) this.dropPrivileges(file.fd)
      return file
    } catch (error) {
      file.close()
      throw error
    }
  }

  /** Makes the open file. Until it is closed, the node keeps its descriptor. */
  protected opened(fd: number, flags: number, uid: number): HostFile | HostDirectory {
    this.pin()
    if (this.isDirectory) return new HostDirectory(fd, this)
    const writes = (flags & openFlags.ACCMODE) !== openFlags.RDONLY
    return new HostFile(fd, this, writes && this.mustDropPrivileges(uid), this.context)
  }

  /** Makes a node of the same class, in this directory. Parameters as for {@link adopt}. */
  protected abstract make(
    name: string,
    stat: FoundFile,
    fd: number,
    sealed: boolean,
    type?: number,
  ): Self

  /** See privileges.ts. */
  protected mustDropPrivileges(uid: number): boolean {
    return mustDropPrivileges(uid, this.context.credentials)
  }

  /** Takes setuid and setgid bits from this file. `fd` is one of its descriptors. */
  dropPrivileges(fd: number): void {
    dropPrivileges(fd)
  }
}
