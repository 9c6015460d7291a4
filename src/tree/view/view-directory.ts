import type { DirectoryEntry, DirectoryVisitor } from '../directory.ts'
import { entryTypes } from '../flags.ts'
import type { Keeper, OpenDirectory } from '../tree.ts'
import type { Sight } from './sight.ts'

/** An open directory that leaves out hidden entries. Cookies are those of the tree below. */
export class ViewDirectory implements OpenDirectory {
  readonly #inner: OpenDirectory
  readonly #sight: Sight

  /** @param inner the same directory, opened in the tree below. */
  constructor(inner: OpenDirectory, sight: Sight) {
    this.#inner = inner
    this.#sight = sight
  }

  get isDirectory(): true {
    return true
  }

  readdir(cookie: bigint, visitor: DirectoryVisitor): void {
    this.#inner.readdir(cookie, new ShownEntries(visitor, this.#sight))
  }

  lend(keeper: Keeper): void {
    this.#inner.lend?.(keeper)
  }

  fsync(dataOnly: boolean): void {
    this.#inner.fsync(dataOnly)
  }

  close(): void {
    this.#inner.close()
  }
}

/** Passes on the entries that are shown. */
class ShownEntries implements DirectoryVisitor {
  readonly #visitor: DirectoryVisitor
  readonly #sight: Sight

  constructor(visitor: DirectoryVisitor, sight: Sight) {
    this.#visitor = visitor
    this.#sight = sight
  }

  get room(): number {
    return this.#visitor.room
  }

  visit(entry: DirectoryEntry): boolean {
    return !this.#shows(entry) || this.#visitor.visit(entry)
  }

  #shows({ bytes, start, end, type }: DirectoryEntry): boolean {
    const name = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
    if (name === '.' || name === '..') return true
    const sight = this.#sight.at(name)
    return sight !== null && (type === entryTypes.DIRECTORY || sight.shown)
  }
}
