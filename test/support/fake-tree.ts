import { errno, ErrnoError } from '../../src/sys/errno.ts'
import type { Writer } from '../../src/9p/wire/cursor.ts'
import { direntBytes, writeDirent } from '../../src/9p/wire/dirent.ts'
import type { Payload, Qid, R } from '../../src/9p/index.ts'
import { Deferred } from '../../src/tree/deferred.ts'
import type { Attachment, Lock, Node, OpenFile, Place, Tree } from '../../src/tree/tree.ts'

/** What a fake file does when it is read. */
type Read = (offset: number, into: Payload) => number | Deferred<Uint8Array>

/** A tree of JavaScript objects that counts: whoever forgets to give something back is found out. */
export class FakeTree implements Tree {
  readOnly = false
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
      link: new FakeNode(this, 'link', 0x02, this.#nodes++),
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
    const node = new FakeNode(this, name, 0x80, this.#nodes++)
    for (const [childName, child] of Object.entries(children)) node.add(childName, child)
    return node
  }

  file(name: string, read: Read): FakeNode {
    const node = new FakeNode(this, name, 0, this.#nodes++)
    node.read = read
    return node
  }

  /** A lock is granted at once where nobody waits for it. */
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

export class FakeNode implements Node {
  readonly qid: Qid
  readonly name: string
  readonly children = new Map<string, FakeNode>()
  readonly xattrs = new Map<string, Uint8Array>()
  read: Read = () => 0
  target = 'target'
  readonly #tree: FakeTree
  #parent: FakeNode = this
  #uses = 0

  constructor(tree: FakeTree, name: string, type: number, number: number) {
    this.#tree = tree
    this.name = name
    this.qid = { type, version: 1, path: BigInt(number) }
  }

  get isDirectory(): boolean {
    return this.qid.type === 0x80
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

  walk(name: string): Node {
    this.#call('walk', name)
    if (this.qid.type !== 0x80) throw new ErrnoError(errno.ENOTDIR, 'walk')
    const node = name === '..' ? this.#parent : this.children.get(name)
    if (node === undefined) throw new ErrnoError(errno.ENOENT, 'walk')
    node.retain()
    return node
  }

  getattr(mask: number): R<'getattr'> {
    this.#call('getattr', mask)
    const zeros = {
      atimeSec: 0,
      atimeNsec: 0,
      mtimeSec: 0,
      mtimeNsec: 0,
      ctimeSec: 0,
      ctimeNsec: 0,
    }
    const more = { btimeSec: 0, btimeNsec: 0, gen: 0, dataVersion: 0, rdev: 0, blocks: 0, size: 0 }
    const { qid } = this
    return { valid: mask, qid, mode: 0, uid: 0, gid: 0, nlink: 1, blksize: 1, ...zeros, ...more }
  }

  setattr({ valid }: { readonly valid: number }, file: OpenFile | null): void {
    this.#call('setattr', valid, file === null ? 'closed' : 'open')
  }

  readlink(): string {
    this.#call('readlink')
    return this.target
  }

  statfs(): R<'statfs'> {
    this.#call('statfs')
    const counts = { blocks: 0n, bfree: 0n, bavail: 0n, files: 0n, ffree: 0n, fsid: 0n }
    return { type: 0, bsize: 0, namelen: 0, ...counts }
  }

  open(flags: number): OpenFile {
    this.#call('open', flags)
    if (this.qid.type === 0x02) throw new ErrnoError(errno.ENXIO, 'open')
    return this.#opened()
  }

  create(name: string, flags: number): { node: Node; file: OpenFile } {
    this.#call('create', name, flags)
    if (this.children.has(name)) throw new ErrnoError(errno.EEXIST, 'create')
    const node = this.#tree.file(name, () => 0)
    this.add(name, node)
    node.retain()
    return { node, file: node.#opened() }
  }

  mkdir(name: string, mode: number, owner: { uid: number; gid: number }): Qid {
    this.#call('mkdir', name, mode, owner.uid, owner.gid)
    const node = this.#tree.directory(name, {})
    this.add(name, node)
    return node.qid
  }

  symlink(name: string, target: string): Qid {
    this.#call('symlink', name, target)
    return this.qid
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

  mknod(name: string, mode: number, major: number, minor: number): Qid {
    this.#call('mknod', name, mode, major, minor)
    return this.qid
  }

  place(): Place {
    if (this.#parent === this) throw new ErrnoError(errno.EBUSY, 'root')
    this.#parent.retain()
    return { directory: this.#parent, name: this.name }
  }

  listXattrs(): Uint8Array {
    this.#call('listXattrs')
    return Buffer.from([...this.xattrs.keys()].map((name) => `${name}\0`).join(''))
  }

  getXattr(name: string): Uint8Array {
    this.#call('getXattr', name)
    const value = this.xattrs.get(name)
    if (value === undefined) throw new ErrnoError(errno.ENODATA, 'getxattr')
    return value
  }

  setXattr(name: string, value: Uint8Array, flags: number): void {
    this.#call('setXattr', name, flags)
    if (name === 'user.full') throw new ErrnoError(errno.ENOSPC, 'setxattr')
    this.xattrs.set(name, Uint8Array.from(value))
  }

  removeXattr(name: string): void {
    this.#call('removeXattr', name)
    if (!this.xattrs.delete(name)) throw new ErrnoError(errno.ENODATA, 'removexattr')
  }

  #call(operation: string, ...values: (string | number)[]): void {
    if (this.#uses <= 0) this.#tree.faults.push(`${operation} on ${this.name}, which nobody uses`)
    this.#tree.calls.push([operation, ...values].join(' '))
  }

  #opened(): OpenFile {
    const tree = this.#tree
    tree.openFiles++
    let open = true
    return {
      read: (offset, into) => {
        tree.calls.push(`read ${offset} ${into.length}`)
        return this.read(offset, into)
      },
      write: (offset, { length }) => {
        tree.calls.push(`write ${offset} ${length}`)
        return length
      },
      readdir: (offset, to) => this.#readdir(Number(offset), to),
      lock: ({ type, start, end, owner }: Lock, wait) => {
        tree.calls.push(`lock ${type} ${start}-${end} ${owner.clientId}/${owner.procId}`)
        return tree.lock(wait)
      },
      unlock: ({ start, end }, { clientId, procId }) => {
        tree.calls.push(`unlock ${start}-${end} ${clientId}/${procId}`)
      },
      getlock: ({ type, start, end }) => {
        tree.calls.push(`getlock ${type} ${start}-${end}`)
        if (end === 0n) return undefined
        return { type: 'read', start: 5n, end, clientId: 'another', procId: 7 }
      },
      locks: () => [],
      fsync: (dataOnly) => tree.calls.push(dataOnly ? 'fdatasync' : 'fsync'),
      close: () => {
        if (!open) tree.faults.push(`${this.name} was closed twice`)
        open = false
        tree.openFiles--
        if (tree.closeError) throw tree.closeError
      },
    }
  }

  #readdir(start: number, to: Writer): void {
    const entries = [...this.children].slice(start)
    for (const [i, [name, { qid }]] of entries.entries()) {
      if (direntBytes(name.length) > to.end - to.position) return
      writeDirent(to, { qid, offset: BigInt(start + i + 1), type: qid.type === 0x80 ? 4 : 8, name })
    }
  }
}
