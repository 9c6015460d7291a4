import { ErrnoError, errno } from '../../sys/errno.ts'
import { type Payload, fillPayload, payloadBytes } from '../../sys/memory.ts'
import type { Attributes, FileIdentity, FileSystemStatistics } from '../attributes.ts'
import { Deferred } from '../deferred.ts'
import type { DirectoryVisitor } from '../directory.ts'
import { entryTypes, modes, openFlags } from '../flags.ts'
import { type Described, revivedNodes, savedNodes } from '../saved-nodes.ts'
import type {
  Attachment,
  Node,
  OpenDirectory,
  OpenFile,
  OpenNode,
  SavedNodes,
  Tree,
} from '../tree.ts'
import type { SyntheticDirectory, SyntheticEntry, SyntheticHandle } from './entry.ts'

/** A tree of files made of functions. The entries may change while it is served. */
export class SyntheticTree implements Tree {
  /** Not read-only for the session: clients cannot change names, and each file decides about writes. */
  readonly readOnly = false
  readonly #root: SyntheticDirectory
  readonly #inodes = new WeakMap<SyntheticEntry, bigint>()
  #lastIno = 0n

  constructor(root: SyntheticDirectory) {
    this.#root = root
  }

  attach(): Attachment {
    return { tree: this, node: new SyntheticNode(this, this.#root, null, '') }
  }

  save(nodes: readonly Node[]): SavedNodes {
    return savedNodes(nodes as readonly SyntheticNode[], (node) => node.describe())
  }

  /** Entries are found by their names, and get the inode numbers that were saved. */
  revive(saved: SavedNodes): (Node | null)[] {
    const taken = this.#inodesInUse()
    return revivedNodes(saved, ({ name, identity }, above: SyntheticNode | null) => {
      const entry = above === null ? this.#root : above.entryOf(name)
      this.#keepIno(entry, identity, taken)
      return new SyntheticNode(this, entry, above, name)
    })
  }

  close(): void {}

  /** An entry keeps its inode number as long as it exists. No other entry ever gets that number. */
  inoOf(entry: SyntheticEntry): bigint {
    let ino = this.#inodes.get(entry)
    if (ino === undefined) {
      ino = ++this.#lastIno
      this.#inodes.set(entry, ino)
    }
    return ino
  }

  /** What identifies an entry in a saved session. */
  identityOf(entry: SyntheticEntry): string {
    return `${entry.kind} ${this.inoOf(entry)}`
  }

  /** @throws ESTALE when the entry has another number already, or another entry has this number. */
  #keepIno(entry: SyntheticEntry, identity: string, taken: Set<bigint>): void {
    const [kind, text = ''] = identity.split(' ')
    const ino = BigInt(text)
    if (!this.#inodes.has(entry) && !taken.has(ino)) {
      this.#inodes.set(entry, ino)
      taken.add(ino)
      if (ino > this.#lastIno) this.#lastIno = ino
    }
    if (entry.kind !== kind || this.#inodes.get(entry) !== ino) {
      throw new ErrnoError(errno.ESTALE, 'entry')
    }
  }

  /** The numbers of the entries that exist now. */
  #inodesInUse(): Set<bigint> {
    const used = new Set<bigint>()
    const entries: SyntheticEntry[] = [this.#root]
    // The list grows during the loop.
    for (const entry of entries) {
      const ino = this.#inodes.get(entry)
      if (ino !== undefined) used.add(ino)
      if (entry.kind === 'directory') entries.push(...entry.entries.values())
    }
    return used
  }
}

/** A file or directory of a synthetic tree. It holds nothing, so its uses are not counted. */
class SyntheticNode implements Node, FileIdentity {
  readonly ino: bigint
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
    this.ino = tree.inoOf(entry)
    this.#tree = tree
    this.#entry = entry
    this.#parent = parent
    this.#name = name
  }

  get isDirectory(): boolean {
    return this.#entry.kind === 'directory'
  }

  get key(): object {
    return this.#entry
  }

  isSameFile(other: Node): boolean {
    return other.key === this.#entry
  }

  get type(): number {
    return this.isDirectory ? modes.DIRECTORY : modes.FILE
  }

  /**
   * 0 for files: Linux's 9P client then caches nothing of them (v9fs_fid_add_modes, since 6.4). With a cache
   * it would not read beyond the size.
   */
  get version(): number {
    return this.isDirectory ? 1 : 0
  }

  retain(): void {}
  release(): void {}

  lookup(name: string, attributes: Attributes | null): Node {
    const node = name === '..' ? (this.#parent ?? this) : this.#child(name)
    if (attributes !== null) node.getattr(attributes)
    return node
  }

  #child(name: string): SyntheticNode {
    return new SyntheticNode(this.#tree, this.entryOf(name), this, name)
  }

  /** @throws ENOTDIR, ENOENT */
  entryOf(name: string): SyntheticEntry {
    if (this.#entry.kind !== 'directory') throw new ErrnoError(errno.ENOTDIR, 'lookup')
    const entry = this.#entry.entries.get(name)
    if (entry === undefined) throw new ErrnoError(errno.ENOENT, 'lookup')
    return entry
  }

  /** See Tree.save. */
  describe(): Described<SyntheticNode> {
    const identity = this.#tree.identityOf(this.#entry)
    return { above: this.#parent, name: this.#name, identity }
  }

  getattr(attributes: Attributes): void {
    const isDirectory = this.#entry.kind === 'directory'
    const size = this.#entry.kind === 'directory' ? 0 : (this.#entry.size ?? 0)
    const permissions = this.#entry.kind === 'directory' ? 0o555 : this.#entry.mode
    Object.assign(attributes, nothing)
    attributes.ino = this.ino
    attributes.version = this.version
    attributes.mode = this.type | permissions
    attributes.nlink = isDirectory ? 2 : 1
    attributes.size = size
    attributes.blksize = 4096
    attributes.blocks = Math.ceil(size / 512)
  }

  /** Succeeds without effect: a shell's `>` truncates a file before it writes to it, and must not fail. */
  setattr(): void {}

  statfs(): FileSystemStatistics {
    return {
      bsize: 4096,
      blocks: 0n,
      bfree: 0n,
      bavail: 0n,
      files: 0n,
      ffree: 0n,
      fsid: 0n,
      namelen: 255,
    }
  }

  open(flags: number, _uid: number, state?: string): OpenNode {
    if (this.#entry.kind === 'file') return new SyntheticOpenFile(this.#entry.open(state))
    if ((flags & openFlags.ACCMODE) !== openFlags.RDONLY) throw new ErrnoError(errno.EISDIR, 'open')
    return new SyntheticOpenDirectory(this.#tree, this.#entry)
  }
}

/** The attributes that all synthetic files have. */
const nothing = {
  uid: 0,
  gid: 0,
  rdev: 0,
  atimeSec: 0,
  atimeNsec: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  ctimeSec: 0,
  ctimeNsec: 0,
  hasBtime: false,
  btimeSec: 0,
  btimeNsec: 0,
} as const satisfies Partial<Attributes>

class SyntheticOpenFile implements OpenFile {
  readonly #handle: SyntheticHandle

  constructor(handle: SyntheticHandle) {
    this.#handle = handle
  }

  get isDirectory(): false {
    return false
  }

  read(offset: number, into: Payload): number | Deferred<Uint8Array> {
    const answer = this.#handle.read?.(offset, into.length)
    if (answer === undefined) throw new ErrnoError(errno.EACCES, 'read')
    if (answer instanceof Deferred) return answer
    // Bytes beyond the payload's end would overwrite other memory: over a virtqueue, memory of the guest.
    const bytes = answer.subarray(0, into.length)
    fillPayload(into, bytes)
    return bytes.length
  }

  write(offset: number, from: Payload): number | Deferred<number> {
    const answer = this.#handle.write?.(offset, payloadBytes(from))
    if (answer === undefined) throw new ErrnoError(errno.EACCES, 'write')
    return answer
  }

  fsync(): void {}

  state(): string | undefined {
    return this.#handle.state?.()
  }

  close(): void {
    this.#handle.close?.()
  }
}

class SyntheticOpenDirectory implements OpenDirectory {
  readonly #tree: SyntheticTree
  readonly #directory: SyntheticDirectory

  constructor(tree: SyntheticTree, directory: SyntheticDirectory) {
    this.#tree = tree
    this.#directory = directory
  }

  get isDirectory(): true {
    return true
  }

  /** The cookie of an entry is its place in the list, counted from 1. */
  readdir(after: bigint, visitor: DirectoryVisitor): void {
    let cookie = 0
    for (const [name, entry] of this.#directory.entries) {
      if (++cookie <= after) continue
      const bytes = Buffer.from(name, 'latin1')
      const isShown = visitor.visit({
        ino: this.#tree.inoOf(entry),
        type: entry.kind === 'directory' ? entryTypes.DIRECTORY : entryTypes.FILE,
        cookieLow: cookie,
        cookieHigh: 0,
        bytes,
        start: 0,
        end: bytes.length,
      })
      if (!isShown) return
    }
  }

  fsync(): void {}
  close(): void {}
}
