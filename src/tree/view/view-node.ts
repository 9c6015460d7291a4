import { ErrnoError, errno } from '../../sys/errno.ts'
import type { AttributeChanges, Attributes, FileSystemStatistics } from '../attributes.ts'
import { renameFlags } from '../flags.ts'
import { namesOf, targetOf } from '../groups.ts'
import type { DeviceNumber, Names, Node, OpenNode, Owner, Place, Xattrs } from '../tree.ts'
import type { Sight } from './sight.ts'
import { ViewDirectory } from './view-directory.ts'

/**
 * A node of a tree of which a part is shown. Several of them may stand for one node of the tree below, which
 * counts the uses of them all.
 *
 * No file can get a hidden name: EPERM. That is what Linux answers when neither the caller nor the file's
 * mode is the reason, so that not even root could do it. The answer does not depend on whether the tree below
 * has the name.
 */
export class ViewNode implements Node, Names {
  /** The node of the tree below. */
  readonly inner: Node
  readonly #sight: Sight
  /**
   * The sight of every directory of the tree below in which something was reached. A walk to `..` needs it.
   * All nodes of one tree share it.
   */
  readonly #directories: WeakMap<Node, Sight>
  /** Whether `node` is a node of such a tree. */
  #remembered = false

  /** @param inner has one use, which this node takes over. */
  constructor(inner: Node, sight: Sight, directories: WeakMap<Node, Sight>) {
    this.inner = inner
    this.#sight = sight
    this.#directories = directories
  }

  get type(): number {
    return this.inner.type
  }

  get ino(): bigint {
    return this.inner.ino
  }

  get version(): number {
    return this.inner.version
  }

  get isDirectory(): boolean {
    return this.inner.isDirectory
  }

  get names(): Names | undefined {
    return this.inner.names === undefined ? undefined : this
  }

  get inheritsAcls(): boolean {
    return this.inner.names?.inheritsAcls ?? false
  }

  get xattrs(): Xattrs | undefined {
    return this.inner.xattrs
  }

  get key(): object {
    return this.inner.key
  }

  isSameFile(other: Node): boolean {
    return other instanceof ViewNode && this.inner.isSameFile(other.inner)
  }

  retain(): void {
    this.inner.retain()
  }

  release(): void {
    this.inner.release()
  }

  lookup(name: string, attributes: Attributes | null): ViewNode {
    if (name === '..') return this.#above(this.inner.lookup(name, attributes))
    const sight = this.#sight.at(name)
    if (sight === null) throw new ErrnoError(errno.ENOENT, 'lookup')
    const inner = this.inner.lookup(name, attributes)
    if (!sight.shown && !inner.isDirectory) {
      inner.release()
      throw new ErrnoError(errno.ENOENT, 'lookup')
    }
    return this.#child(inner, sight)
  }

  getattr(attributes: Attributes): void {
    this.inner.getattr(attributes)
  }

  setattr(changes: AttributeChanges, file: OpenNode | null, uid: number): void {
    this.inner.setattr(changes, file, uid)
  }

  readlink(): string {
    return targetOf(this.inner)
  }

  statfs(): FileSystemStatistics {
    return this.inner.statfs()
  }

  syncfs(): void {
    this.inner.syncfs?.()
  }

  open(flags: number, uid: number, state?: string): OpenNode {
    return opened(this.inner.open(flags, uid, state), this.#sight)
  }

  create(
    name: string,
    flags: number,
    mode: number,
    owner: Owner,
    attributes: Attributes | null,
  ): { node: Node; file: OpenNode } {
    const sight = this.#free(name)
    const created = namesOf(this.inner).create(name, flags, mode, owner, attributes)
    // Without EXCL, create may have opened a directory that existed.
    return { node: this.#child(created.node, sight), file: opened(created.file, sight) }
  }

  tmpfile(
    flags: number,
    mode: number,
    owner: Owner,
    attributes: Attributes | null,
  ): { node: Node; file: OpenNode } {
    const names = namesOf(this.inner)
    if (names.tmpfile === undefined) throw new ErrnoError(errno.EOPNOTSUPP, 'tmpfile')
    const { node, file } = names.tmpfile(flags, mode, owner, attributes)
    return { node: this.#child(node, this.#sight), file }
  }

  mkdir(name: string, mode: number, owner: Owner, attributes: Attributes | null): ViewNode {
    const sight = this.#sight.at(name)
    if (sight === null) throw hidden('mkdir')
    return this.#child(namesOf(this.inner).mkdir(name, mode, owner, attributes), sight)
  }

  mknod(
    name: string,
    mode: number,
    device: DeviceNumber,
    owner: Owner,
    attributes: Attributes | null,
  ): ViewNode {
    const sight = this.#free(name)
    return this.#child(namesOf(this.inner).mknod(name, mode, device, owner, attributes), sight)
  }

  symlink(name: string, target: string, owner: Owner, attributes: Attributes | null): ViewNode {
    const sight = this.#free(name)
    return this.#child(namesOf(this.inner).symlink(name, target, owner, attributes), sight)
  }

  link(target: Node, name: string): void {
    const { inner } = this.#ours(target, 'link')
    this.#free(name)
    namesOf(this.inner).link(inner, name)
  }

  /**
   * See Names.rename. What lies below a directory moves with it, and nodes that clients have of it keep their
   * sight. So the same must be shown at the new place. If not, the answer is EXDEV, and mv(1) then copies
   * what it sees.
   */
  rename(oldName: string, directory: Node, newName: string, flags = 0): void {
    const to = this.#ours(directory, 'rename')
    const before = this.#sightOf(oldName)
    const after = to.node.#sight.at(newName)
    if (after === null) throw hidden('rename')
    if (!after.equals(before)) {
      if (this.#leads(oldName)) throw new ErrnoError(errno.EXDEV, 'rename')
      if (!after.shown) throw hidden('rename')
    }
    if ((flags & renameFlags.EXCHANGE) !== 0) this.#sameSight(to.node, newName, oldName)
    namesOf(this.inner).rename(oldName, to.inner, newName, flags)
    if ((flags & renameFlags.EXCHANGE) !== 0) this.#remember()
    to.node.#remember()
  }

  /** Checks for an exchange that what has `name` in `from` may come here as `newName`. */
  #sameSight(from: ViewNode, name: string, newName: string): void {
    const before = from.#sightOf(name)
    const after = this.#sight.at(newName)
    if (after === null || !after.equals(before)) throw new ErrnoError(errno.EXDEV, 'rename')
  }

  unlink(name: string, directory: boolean): void {
    this.#sightOf(name)
    namesOf(this.inner).unlink(name, directory)
  }

  place(): Place {
    const { directory, name } = namesOf(this.inner).place()
    return { directory: this.#above(directory), name }
  }

  /**
   * The node for a directory of the tree below that is above this one. Something was reached in it, so its
   * sight is known.
   */
  #above(inner: Node): ViewNode {
    // The directory above the root is the root.
    const sight = inner === this.inner ? this.#sight : this.#directories.get(inner)
    if (sight === undefined) {
      inner.release()
      throw new ErrnoError(errno.ESTALE, 'directory above')
    }
    return new ViewNode(inner, sight, this.#directories)
  }

  /** A node for a file or directory in this one. */
  #child(inner: Node, sight: Sight): ViewNode {
    this.#remember()
    return new ViewNode(inner, sight, this.#directories)
  }

  #remember(): void {
    if (this.#remembered) return
    this.#directories.set(this.inner, this.#sight)
    this.#remembered = true
  }

  /** Checks that `node` belongs to this tree, and returns its node of the tree below. */
  #ours(node: Node, operation: string): { node: ViewNode; inner: Node } {
    if (!(node instanceof ViewNode) || node.#directories !== this.#directories) {
      throw new ErrnoError(errno.EXDEV, operation)
    }
    return { node, inner: node.inner }
  }

  /** The sight of a name that a file of any type but directory may get. */
  #free(name: string): Sight {
    const sight = this.#sight.at(name)
    if (sight === null || !sight.shown) throw hidden('create')
    return sight
  }

  /** The sight of a name that is shown. @throws ENOENT */
  #sightOf(name: string): Sight {
    const sight = this.#sight.at(name)
    if (sight === null || (!sight.shown && !this.#leads(name))) {
      throw new ErrnoError(errno.ENOENT, 'name')
    }
    return sight
  }

  /** Whether `name` here is a directory. */
  #leads(name: string): boolean {
    const inner = this.inner.lookup(name, null)
    try {
      return inner.isDirectory
    } finally {
      inner.release()
    }
  }
}

/** An open file or directory. A directory is filtered only if something in it is hidden. */
function opened(file: OpenNode, sight: Sight): OpenNode {
  return file.isDirectory && !sight.whole ? new ViewDirectory(file, sight) : file
}

function hidden(operation: string): ErrnoError {
  return new ErrnoError(errno.EPERM, operation)
}
