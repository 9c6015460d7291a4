import { errno, ErrnoError } from '../../src/sys/errno.ts'
import type { Payload } from '../../src/9p/index.ts'
import type {
  AttributeChanges,
  Attributes,
  FileSystemStatistics,
} from '../../src/tree/attributes.ts'
import { Deferred } from '../../src/tree/deferred.ts'
import type { DirectoryVisitor } from '../../src/tree/directory.ts'
import { entryTypes, modes } from '../../src/tree/flags.ts'
import type { Lock } from '../../src/tree/locks.ts'
import type {
  Attachment,
  DeviceNumber,
  Names,
  Node,
  OpenDirectory,
  OpenFile,
  OpenNode,
  Place,
  Tree,
  Xattrs,
} from '../../src/tree/tree.ts'

/** What a fake file does when it is read. */
type Read = (offset: number, into: Payload) => number | Deferred<Uint8Array>

/** A tree of JavaScript objects that counts uses and open files, so that a test sees what was not given back. */
export class FakeTree implements Tree {
  readOnly = false
  opensAll = true
  /** Every operation that reached the tree, such as `mkdir x`. */
  readonly calls: string[] = []
  /** Uses of nodes that were not given back yet; the tree's own use of the root does not count. */
  uses = 0
  openFiles = 0
  /** What may never happen: a node released or a file closed once too often. */
  readonly faults: string[] = []
  /** Reads of `slow` that wait, oldest first. */
  readonly parked: Deferred<Uint8Array>[] = []
  /** Locks that wait, oldest first. */
  readonly lockWaits: Deferred<boolean>[] = []
  /** How many of both were cancelled. */
  cancelled = 0
  /** Thrown when a file is closed or a node released for the last time, if set. */
  closeError: Error | undefined
  /** Called when a waiting read is cancelled. */
  onCancel: () => void = () => {}
  readonly root: FakeNode
  #nodes = 0

  constructor() {
    const big = Buffer.alloc(3 << 20, 'big file ')
    this.root = this.directory('', {
      file: this.file('file', bytes(Buffer.from('hello'))),
      big: this.file('big', bytes(big)),
      slow: this.file('slow', () => this.#defer()),
      broken: this.file('broken', () => {
        throw new TypeError('a mistake in the tree')
      }),
      dir: this.directory('dir', { inner: this.directory('inner', {}) }),
      link: new FakeNode(this, 'link', modes.SYMLINK, this.#nodes++),
    })
  }

  attach(aname: string): Attachment {
    this.calls.push(`attach ${aname}`)
    if (aname === 'missing') throw new ErrnoError(errno.ENOENT, 'attach')
    this.root.retain()
    return { tree: this, node: this.root }
  }

  save(): never {
    throw new Error('a fake cannot be saved')
  }

  revive(): never {
    throw new Error('nor be revived')
  }

  close(): void {}

  directory(name: string, children: Record<string, FakeNode>): FakeNode {
    const node = new FakeNode(this, name, modes.DIRECTORY, this.#nodes++)
    for (const [childName, child] of Object.entries(children)) node.add(childName, child)
    return node
  }

  file(name: string, read: Read): FakeNode {
    const node = new FakeNode(this, name, modes.FILE, this.#nodes++)
    node.read = read
    return node
  }

  /** A lock is granted at once unless the request waits. */
  lock(wait: boolean): boolean | Deferred<boolean> {
    return wait ? this.#wait(this.lockWaits) : true
  }

  #defer(): Deferred<Uint8Array> {
    return this.#wait(this.parked)
  }

  #wait<V>(waiting: Deferred<V>[]): Deferred<V> {
    const deferred = new Deferred<V>(() => {
      this.cancelled++
      this.onCancel()
    })
    waiting.push(deferred)
    return deferred
  }
}

function bytes(content: Buffer): Read {
  return (offset, { memory, offset: at, length }) => {
    const part = content.subarray(offset, offset + length)
    memory.bytes.set(part, at)
    return part.length
  }
}

export class FakeNode implements Node, Names, Xattrs {
  readonly type: number
  readonly ino: bigint
  readonly version = 1
  readonly name: string
  readonly children = new Map<string, FakeNode>()
  /** Values of extended attributes by their names. */
  readonly xattrValues = new Map<string, Uint8Array>()
  read: Read = () => 0
  readonly key = this
  target = 'target'
  readonly #tree: FakeTree
  #parent: FakeNode = this
  #uses = 0

  isSameFile(other: Node): boolean {
    return other === this
  }

  constructor(tree: FakeTree, name: string, type: number, number: number) {
    this.#tree = tree
    this.name = name
    this.type = type
    this.ino = BigInt(number)
  }

  get isDirectory(): boolean {
    return this.type === modes.DIRECTORY
  }

  get names(): Names {
    return this
  }

  get xattrs(): Xattrs {
    return this
  }

  add(name: string, child: FakeNode): void {
    child.#parent = this
    this.children.set(name, child)
  }

  retain(): void {
    this.#uses++
    this.#tree.uses++
  }

  release(): void {
    this.#uses--
    this.#tree.uses--
    if (this.#uses < 0) this.#tree.faults.push(`${this.name} was released once too often`)
    if (this.#uses === 0 && this.#tree.closeError) throw this.#tree.closeError
  }

  lookup(name: string, attributes: Attributes | null): Node {
    this.#call('lookup', name)
    if (!this.isDirectory) throw new ErrnoError(errno.ENOTDIR, 'lookup')
    const node = name === '..' ? this.#parent : this.children.get(name)
    if (node === undefined) throw new ErrnoError(errno.ENOENT, 'lookup')
    node.retain()
    if (attributes !== null) node.#fill(attributes)
    return node
  }

  getattr(attributes: Attributes): void {
    this.#call('getattr')
    this.#fill(attributes)
  }

  #fill(attributes: Attributes): void {
    attributes.ino = this.ino
    attributes.version = this.version
    attributes.mode = this.type
    attributes.nlink = 1
    attributes.blksize = 1
  }

  setattr(changes: AttributeChanges, file: OpenNode | null): void {
    const changed = Object.entries(changes).filter(([, value]) => value !== undefined)
    this.#call('setattr', ...changed.map(([name]) => name), file === null ? 'closed' : 'open')
  }

  readlink(): string {
    this.#call('readlink')
    return this.target
  }

  statfs(): FileSystemStatistics {
    this.#call('statfs')
    const counts = { blocks: 0n, bfree: 0n, bavail: 0n, files: 0n, ffree: 0n, fsid: 0n }
    return { bsize: 0, namelen: 0, ...counts }
  }

  open(flags: number): OpenNode {
    this.#call('open', flags)
    if (this.type === modes.SYMLINK) throw new ErrnoError(errno.ENXIO, 'open')
    return this.#opened()
  }

  create(name: string, flags: number): { node: Node; file: OpenNode } {
    this.#call('create', name, flags)
    if (this.children.has(name)) throw new ErrnoError(errno.EEXIST, 'create')
    const node = this.#tree.file(name, () => 0)
    this.add(name, node)
    node.retain()
    return { node, file: node.#opened() }
  }

  mkdir(name: string, mode: number, owner: { uid: number; gid: number }): Node {
    this.#call('mkdir', name, mode, owner.uid, owner.gid)
    const node = this.#tree.directory(name, {})
    this.add(name, node)
    node.retain()
    return node
  }

  symlink(name: string, target: string): Node {
    this.#call('symlink', name, target)
    this.retain()
    return this
  }

  link(target: Node, name: string): void {
    this.#call('link', (target as FakeNode).name, name)
  }

  rename(oldName: string, directory: Node, newName: string): void {
    this.#call('rename', oldName, (directory as FakeNode).name, newName)
  }

  unlink(name: string, directory: boolean): void {
    this.#call('unlink', name, directory ? 'directory' : 'file')
  }

  mknod(name: string, mode: number, { major, minor }: DeviceNumber): Node {
    this.#call('mknod', name, mode, major, minor)
    this.retain()
    return this
  }

  place(): Place {
    if (this.#parent === this) throw new ErrnoError(errno.EBUSY, 'root')
    this.#parent.retain()
    return { directory: this.#parent, name: this.name }
  }

  listXattrs(): Uint8Array {
    this.#call('listXattrs')
    return Buffer.from([...this.xattrValues.keys()].map((name) => `${name}\0`).join(''))
  }

  getXattr(name: string): Uint8Array {
    this.#call('getXattr', name)
    const value = this.xattrValues.get(name)
    if (value === undefined) throw new ErrnoError(errno.ENODATA, 'getxattr')
    return value
  }

  setXattr(name: string, value: Uint8Array, flags: number): void {
    this.#call('setXattr', name, flags)
    if (name === 'user.full') throw new ErrnoError(errno.ENOSPC, 'setxattr')
    this.xattrValues.set(name, Uint8Array.from(value))
  }

  removeXattr(name: string): void {
    this.#call('removeXattr', name)
    if (!this.xattrValues.delete(name)) throw new ErrnoError(errno.ENODATA, 'removexattr')
  }

  #call(operation: string, ...values: (string | number)[]): void {
    if (this.#uses <= 0) this.#tree.faults.push(`${operation} on ${this.name}, which has no uses`)
    this.#tree.calls.push([operation, ...values].join(' '))
  }

  #opened(): OpenNode {
    return this.isDirectory ? this.#openedDirectory() : this.#openedFile()
  }

  #openedFile(): OpenFile {
    const tree = this.#tree
    return {
      ...this.#handle(),
      isDirectory: false,
      read: (offset, into) => {
        tree.calls.push(`read ${offset} ${into.length}`)
        return this.read(offset, into)
      },
      write: (offset, { length }) => {
        tree.calls.push(`write ${offset} ${length}`)
        return length
      },
      locks: {
        lock: ({ type, start, end, owner }: Lock, wait) => {
          tree.calls.push(`lock ${type} ${start}-${end} ${owner.clientId}/${owner.procId}`)
          return tree.lock(wait)
        },
        unlock: ({ start, end }, { clientId, procId }) => {
          tree.calls.push(`unlock ${start}-${end} ${clientId}/${procId}`)
        },
        conflict: ({ type, start, end }) => {
          tree.calls.push(`getlock ${type} ${start}-${end}`)
          if (end === 0n) return undefined
          return { type: 'read', start: 5n, end, clientId: 'another', procId: 7, pid: 7 }
        },
        held: () => [],
      },
    }
  }

  #openedDirectory(): OpenDirectory {
    return {
      ...this.#handle(),
      isDirectory: true,
      readdir: (after, visitor) => this.#readdir(Number(after), visitor),
    }
  }

  /** What an open file and an open directory have in common. */
  #handle(): Pick<OpenFile, 'fsync' | 'close'> {
    const tree = this.#tree
    tree.openFiles++
    let open = true
    return {
      fsync: (dataOnly) => tree.calls.push(dataOnly ? 'fdatasync' : 'fsync'),
      close: () => {
        if (!open) tree.faults.push(`${this.name} was closed twice`)
        open = false
        tree.openFiles--
        if (tree.closeError) throw tree.closeError
      },
    }
  }

  #readdir(start: number, visitor: DirectoryVisitor): void {
    const entries = [...this.children].slice(start)
    for (const [i, [name, { ino, isDirectory }]] of entries.entries()) {
      const encoded = Buffer.from(name, 'latin1')
      const type = isDirectory ? entryTypes.DIRECTORY : entryTypes.FILE
      const isShown = visitor.visit({
        ino,
        type,
        cookieLow: start + i + 1,
        cookieHigh: 0,
        bytes: encoded,
        start: 0,
        end: encoded.length,
      })
      if (!isShown) return
    }
  }
}
