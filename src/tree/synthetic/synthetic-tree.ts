import { ErrnoError, errno } from '../../sys/errno.ts'
import type { Writer } from '../../9p/wire/cursor.ts'
import { direntBytes, writeDirent } from '../../9p/wire/dirent.ts'
import { V9FS_MAGIC, getattr, mode as modes, open as wire } from '../../9p/wire/flags.ts'
import { NAME_BYTES_MAX } from '../../9p/wire/limits.ts'
import { type Payload, fillPayload, payloadBytes } from '../../sys/memory.ts'
import type { R, T } from '../../9p/wire/messages.ts'
import { type Qid, qidType } from '../../9p/wire/qid.ts'
import { Deferred } from '../deferred.ts'
import { type Described, revivedNodes, savedNodes } from '../saved-nodes.ts'
import type { Attachment, Lock, Node, OpenFile, SavedNodes, Tree } from '../tree.ts'
import type { SyntheticDirectory, SyntheticEntry, SyntheticHandle } from './entry.ts'

const DT_DIR = 4
const DT_REG = 8

/** A tree of files made of functions. The entries may change while it is served. */
export class SyntheticTree implements Tree {
  /** Names cannot be changed from outside; what a file does with a write is its own affair. */
  readonly readOnly = false
  readonly #root: SyntheticDirectory
  readonly #paths = new WeakMap<SyntheticEntry, bigint>()
  #lastPath = 0n

  constructor(root: SyntheticDirectory) {
    this.#root = root
  }

  attach(): Attachment {
    return { tree: this, node: new SyntheticNode(this, this.#root, null, '') }
  }

  save(nodes: readonly Node[]): SavedNodes {
    return savedNodes(nodes as readonly SyntheticNode[], (node) => node.describe())
  }

  /** Entries go by their names, and have the qid.paths again that they had. */
  revive(saved: SavedNodes): (Node | null)[] {
    const taken = this.#pathsInUse()
    return revivedNodes(saved, ({ name, identity }, above: SyntheticNode | null) => {
      const entry = above === null ? this.#root : above.entryOf(name)
      this.#keepPath(entry, identity, taken)
      return new SyntheticNode(this, entry, above, name)
    })
  }

  close(): void {}

  /** An entry keeps its qid.path as long as it exists, and no other entry ever gets it. */
  qidOf(entry: SyntheticEntry): Qid {
    let path = this.#paths.get(entry)
    if (path === undefined) {
      path = ++this.#lastPath
      this.#paths.set(entry, path)
    }
    if (entry.kind === 'directory') return { type: qidType.directory, version: 1, path }
    // 0 keeps Linux's client from caching the file (v9fs_fid_add_modes, since 6.4): from a cache it
    // would read no further than the size.
    return { type: qidType.file, version: 0, path }
  }

  /** What an entry is known by where it is saved. */
  identityOf(entry: SyntheticEntry): string {
    return `${entry.kind} ${this.qidOf(entry).path}`
  }

  /** @throws ESTALE when the entry has another path already, or another entry has this one. */
  #keepPath(entry: SyntheticEntry, identity: string, taken: Set<bigint>): void {
    const [kind, text = ''] = identity.split(' ')
    const path = BigInt(text)
    if (!this.#paths.has(entry) && !taken.has(path)) {
      this.#paths.set(entry, path)
      taken.add(path)
      if (path > this.#lastPath) this.#lastPath = path
    }
    if (entry.kind !== kind || this.#paths.get(entry) !== path) {
      throw new ErrnoError(errno.ESTALE, 'entry')
    }
  }

  /** Those of the entries that there are. */
  #pathsInUse(): Set<bigint> {
    const used = new Set<bigint>()
    const entries: SyntheticEntry[] = [this.#root]
    // The list grows while it is gone through.
    for (const entry of entries) {
      const path = this.#paths.get(entry)
      if (path !== undefined) used.add(path)
      if (entry.kind === 'directory') entries.push(...entry.entries.values())
    }
    return used
  }
}

/** Nothing is held by a node, so its uses need no count. */
class SyntheticNode implements Node {
  readonly qid: Qid
  readonly #tree: SyntheticTree
  readonly #entry: SyntheticEntry
  readonly #parent: SyntheticNode | null
  readonly #name: string

  constructor(
    tree: SyntheticTree,
    entry: SyntheticEntry,
    parent: SyntheticNode | null,
    name: string,
  ) {
    this.qid = tree.qidOf(entry)
    this.#tree = tree
    this.#entry = entry
    this.#parent = parent
    this.#name = name
  }

  get isDirectory(): boolean {
    return this.#entry.kind === 'directory'
  }

  retain(): void {}
  release(): void {}

  walk(name: string): Node {
    if (name === '..') return this.#parent ?? this
    return new SyntheticNode(this.#tree, this.entryOf(name), this, name)
  }

  /** @throws ENOTDIR, ENOENT */
  entryOf(name: string): SyntheticEntry {
    if (this.#entry.kind !== 'directory') throw new ErrnoError(errno.ENOTDIR, 'walk')
    const entry = this.#entry.entries.get(name)
    if (entry === undefined) throw new ErrnoError(errno.ENOENT, 'walk')
    return entry
  }

  /** See Tree.save. */
  describe(): Described<SyntheticNode> {
    const identity = this.#tree.identityOf(this.#entry)
    return { above: this.#parent, name: this.#name, identity }
  }

  getattr(): R<'getattr'> {
    const { isDirectory } = this
    const size = this.#entry.kind === 'directory' ? 0 : (this.#entry.size ?? 0)
    return {
      valid: getattr.BASIC,
      qid: this.qid,
      mode:
        this.#entry.kind === 'directory' ? modes.DIRECTORY | 0o555 : modes.FILE | this.#entry.mode,
      uid: 0,
      gid: 0,
      nlink: isDirectory ? 2 : 1,
      rdev: 0,
      size,
      blksize: 4096,
      blocks: Math.ceil(size / 512),
      atimeSec: 0,
      atimeNsec: 0,
      mtimeSec: 0,
      mtimeNsec: 0,
      ctimeSec: 0,
      ctimeNsec: 0,
      btimeSec: 0,
      btimeNsec: 0,
      gen: 0,
      dataVersion: 0,
    }
  }

  /** A shell's `>` truncates: that has no meaning here and does no harm. */
  setattr(_changes: T<'setattr'>): void {}

  readlink(): string {
    throw new ErrnoError(errno.EINVAL, 'readlink')
  }

  statfs(): R<'statfs'> {
    return {
      type: V9FS_MAGIC,
      bsize: 4096,
      blocks: 0n,
      bfree: 0n,
      bavail: 0n,
      files: 0n,
      ffree: 0n,
      fsid: 0n,
      namelen: NAME_BYTES_MAX,
    }
  }

  open(flags: number, _uid: number, state?: string): OpenFile {
    if (this.#entry.kind === 'file') return new SyntheticOpenFile(this.#entry.open(state))
    if ((flags & wire.ACCMODE) !== wire.RDONLY) throw new ErrnoError(errno.EISDIR, 'open')
    return new SyntheticOpenDirectory(this.#tree, this.#entry)
  }

  create(): never {
    throw refused('create')
  }
  mkdir(): never {
    throw refused('mkdir')
  }
  symlink(): never {
    throw refused('symlink')
  }
  link(): never {
    throw refused('link')
  }
  rename(): never {
    throw refused('rename')
  }
  unlink(): never {
    throw refused('unlink')
  }
  mknod(): never {
    throw refused('mknod')
  }
  place(): never {
    throw refused('place')
  }

  listXattrs(): never {
    throw unsupported('listxattr')
  }
  getXattr(): never {
    throw unsupported('getxattr')
  }
  setXattr(): never {
    throw unsupported('setxattr')
  }
  removeXattr(): never {
    throw unsupported('removexattr')
  }
}

function refused(operation: string): ErrnoError {
  return new ErrnoError(errno.EPERM, operation)
}

function unsupported(operation: string): ErrnoError {
  return new ErrnoError(errno.EOPNOTSUPP, operation)
}

/** Functions have nothing to keep others from. */
class Unlockable {
  lock(): never {
    throw unsupported('lock')
  }
  unlock(): never {
    throw unsupported('unlock')
  }
  getlock(): never {
    throw unsupported('getlock')
  }
  locks(): readonly Lock[] {
    return []
  }
}

class SyntheticOpenFile extends Unlockable implements OpenFile {
  readonly #handle: SyntheticHandle

  constructor(handle: SyntheticHandle) {
    super()
    this.#handle = handle
  }

  read(offset: number, into: Payload): number | Deferred<Uint8Array> {
    const answer = this.#handle.read?.(offset, into.length)
    if (answer === undefined) throw new ErrnoError(errno.EACCES, 'read')
    if (answer instanceof Deferred) return answer
    fillPayload(into, answer)
    return answer.length
  }

  write(offset: number, from: Payload): number | Deferred<number> {
    const answer = this.#handle.write?.(offset, payloadBytes(from))
    if (answer === undefined) throw new ErrnoError(errno.EACCES, 'write')
    return answer
  }

  readdir(): never {
    throw new ErrnoError(errno.ENOTDIR, 'readdir')
  }

  fsync(): void {}

  state(): string | undefined {
    return this.#handle.state?.()
  }

  close(): void {
    this.#handle.close?.()
  }
}

class SyntheticOpenDirectory extends Unlockable implements OpenFile {
  readonly #tree: SyntheticTree
  readonly #directory: SyntheticDirectory

  constructor(tree: SyntheticTree, directory: SyntheticDirectory) {
    super()
    this.#tree = tree
    this.#directory = directory
  }

  /** The cookie of an entry is its place in the list, counted from 1. */
  readdir(offset: bigint, to: Writer): void {
    let cookie = 0n
    for (const [name, entry] of this.#directory.entries) {
      if (++cookie <= offset) continue
      if (direntBytes(name.length) > to.end - to.position) return
      const type = entry.kind === 'directory' ? DT_DIR : DT_REG
      writeDirent(to, { qid: this.#tree.qidOf(entry), offset: cookie, type, name })
    }
  }

  read(): never {
    throw new ErrnoError(errno.EISDIR, 'read')
  }
  write(): never {
    throw new ErrnoError(errno.EISDIR, 'write')
  }
  fsync(): void {}
  close(): void {}
}
