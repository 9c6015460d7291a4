import { ErrnoError, errno } from '../../sys/errno.ts'
import type { R, T } from '../../9p/wire/messages.ts'
import type { Qid } from '../../9p/wire/qid.ts'
import type { Node, OpenFile, Owner, Place } from '../tree.ts'
import type { Sight } from './sight.ts'
import { ViewDirectory } from './view-directory.ts'

/**
 * A node of a tree of which a part is shown. There may be several for one node of the tree below,
 * which counts the uses of them all.
 *
 * A name that is hidden cannot be given to anything: EPERM, as that is what Linux says where neither
 * the caller nor the file's mode is the reason, and no user of the guest, root included, could do it.
 * It does not depend on whether the tree below has the name.
 */
export class ViewNode implements Node {
  /** The node of the tree below. */
  readonly inner: Node
  readonly #sight: Sight
  /**
   * The sight of every directory of the tree below in which something was reached, for the way back.
   * All nodes of one tree share it.
   */
  readonly #directories: WeakMap<Node, Sight>
  /** Whether this is one of them. */
  #remembered = false

  /** @param inner used once, and that use is this node's. */
  constructor(inner: Node, sight: Sight, directories: WeakMap<Node, Sight>) {
    this.inner = inner
    this.#sight = sight
    this.#directories = directories
  }

  get qid(): Qid {
    return this.inner.qid
  }

  get isDirectory(): boolean {
    return this.inner.isDirectory
  }

  retain(): void {
    this.inner.retain()
  }

  release(): void {
    this.inner.release()
  }

  walk(name: string): Node {
    if (name === '..') return this.#above(this.inner.walk(name))
    const sight = this.#sight.at(name)
    if (sight === null) throw new ErrnoError(errno.ENOENT, 'walk')
    const inner = this.inner.walk(name)
    if (!sight.shown && !inner.isDirectory) {
      inner.release()
      throw new ErrnoError(errno.ENOENT, 'walk')
    }
    this.#remember()
    return new ViewNode(inner, sight, this.#directories)
  }

  getattr(mask: number): R<'getattr'> {
    return this.inner.getattr(mask)
  }

  setattr(changes: T<'setattr'>, file: OpenFile | null, uid: number): void {
    this.inner.setattr(changes, file instanceof ViewDirectory ? file.inner : file, uid)
  }

  readlink(): string {
    return this.inner.readlink()
  }

  statfs(): R<'statfs'> {
    return this.inner.statfs()
  }

  open(flags: number, uid: number, state?: string): OpenFile {
    return opened(this.inner, this.inner.open(flags, uid, state), this.#sight)
  }

  create(name: string, flags: number, mode: number, owner: Owner): { node: Node; file: OpenFile } {
    const sight = this.#free(name)
    const { node: inner, file } = this.inner.create(name, flags, mode, owner)
    this.#remember()
    const node = new ViewNode(inner, sight, this.#directories)
    // Without O_EXCL it may be a directory that was there.
    return { node, file: opened(inner, file, sight) }
  }

  mkdir(name: string, mode: number, owner: Owner): Qid {
    if (this.#sight.at(name) === null) throw hidden('mkdir')
    return this.inner.mkdir(name, mode, owner)
  }

  mknod(name: string, mode: number, major: number, minor: number, owner: Owner): Qid {
    this.#free(name)
    return this.inner.mknod(name, mode, major, minor, owner)
  }

  symlink(name: string, target: string, owner: Owner): Qid {
    this.#free(name)
    return this.inner.symlink(name, target, owner)
  }

  link(target: Node, name: string): void {
    const { inner } = this.#ours(target, 'link')
    this.#free(name)
    this.inner.link(inner, name)
  }

  /**
   * See Node.rename. What lies below a directory goes along, and the nodes that clients have of it
   * know what is shown of it: so it must be shown the same at the new place. If not, that is EXDEV,
   * which makes mv(1) copy what it sees.
   */
  rename(oldName: string, directory: Node, newName: string): void {
    const to = this.#ours(directory, 'rename')
    const before = this.#sightOf(oldName)
    const after = to.node.#sight.at(newName)
    if (after === null) throw hidden('rename')
    if (!after.equals(before)) {
      if (this.#leads(oldName)) throw new ErrnoError(errno.EXDEV, 'rename')
      if (!after.shown) throw hidden('rename')
    }
    this.inner.rename(oldName, to.inner, newName)
    to.node.#remember()
  }

  unlink(name: string, directory: boolean): void {
    this.#sightOf(name)
    this.inner.unlink(name, directory)
  }

  place(): Place {
    const { directory, name } = this.inner.place()
    return { directory: this.#above(directory), name }
  }

  listXattrs(): Uint8Array {
    return this.inner.listXattrs()
  }

  getXattr(name: string): Uint8Array {
    return this.inner.getXattr(name)
  }

  setXattr(name: string, value: Uint8Array, flags: number): void {
    this.inner.setXattr(name, value, flags)
  }

  removeXattr(name: string): void {
    this.inner.removeXattr(name)
  }

  /** The node for a directory of the tree below, above this one: something was reached in it. */
  #above(inner: Node): ViewNode {
    // The root is above itself.
    const sight = inner === this.inner ? this.#sight : this.#directories.get(inner)
    if (sight === undefined) {
      inner.release()
      throw new ErrnoError(errno.ESTALE, 'directory above')
    }
    return new ViewNode(inner, sight, this.#directories)
  }

  #remember(): void {
    if (this.#remembered) return
    this.#directories.set(this.inner, this.#sight)
    this.#remembered = true
  }

  /** Another node of this tree. */
  #ours(node: Node, operation: string): { node: ViewNode; inner: Node } {
    if (!(node instanceof ViewNode) || node.#directories !== this.#directories) {
      throw new ErrnoError(errno.EXDEV, operation)
    }
    return { node, inner: node.inner }
  }

  /** The sight behind a name that something other than a directory may get. */
  #free(name: string): Sight {
    const sight = this.#sight.at(name)
    if (sight === null || !sight.shown) throw hidden('create')
    return sight
  }

  /** The sight behind a name that is shown. @throws ENOENT */
  #sightOf(name: string): Sight {
    const sight = this.#sight.at(name)
    if (sight === null || (!sight.shown && !this.#leads(name))) {
      throw new ErrnoError(errno.ENOENT, 'name')
    }
    return sight
  }

  /** Whether `name` here is a directory. */
  #leads(name: string): boolean {
    const inner = this.inner.walk(name)
    try {
      return inner.isDirectory
    } finally {
      inner.release()
    }
  }
}

/** A file or directory just opened. Only a directory in which something is hidden is looked through. */
function opened(node: Node, file: OpenFile, sight: Sight): OpenFile {
  return sight.whole || !node.isDirectory ? file : new ViewDirectory(file, sight)
}

function hidden(operation: string): ErrnoError {
  return new ErrnoError(errno.EPERM, operation)
}
