import { ErrnoError, errno } from '../sys/errno.ts'
import { type ClientMemory, heapBytes } from '../session/client-memory.ts'
import { LimitError } from '../session/session-limits.ts'
import type { Attributes } from '../tree/attributes.ts'
import type { Later } from '../tree/later.ts'
import type { Node } from '../tree/tree.ts'
import { ROOT_ID } from './wire/limits.ts'

/** A node that the client knows by a number. */
export interface KnownNode {
  readonly id: number
  /** Has one use, which the table owns. */
  readonly node: Node
  /** How often the client was told of it, and has not forgotten it. */
  lookups: number
}

/** How many nodes are released in one piece: it takes about a millisecond. */
const PIECE = 1000

/**
 * The nodes of one session: the only owner of the tree's nodes behind them.
 *
 * A number is never given out again, so it never stands for another file. The names of a file with several share one number,
 * as far as both were looked up after the second was made: the client's caches, locks and mappings of it are then the same.
 */
export class NodeTable {
  #byId = new Map<number, KnownNode>()
  /** By {@link Node.key}. */
  #byKey = new Map<object, KnownNode>()
  /** Those that have been seen with several names, by inode number. */
  #linked = new Map<bigint, KnownNode>()
  readonly #limit: number
  readonly #memory: ClientMemory
  readonly #onForgotten: (known: KnownNode) => void
  readonly #later: Later | undefined
  #last = ROOT_ID

  /**
   * @param limit the most nodes at once; beyond it a lookup is ENFILE.
   * @param memory what all clients share; a node for which it has no room is ENFILE, too.
   * @param onForgotten is called before a node is released.
   * @param later for {@link clear}. Without it, all nodes are released at once.
   */
  constructor(
    limit: number,
    memory: ClientMemory,
    onForgotten: (known: KnownNode) => void,
    later?: Later,
  ) {
    this.#later = later
    this.#limit = limit
    this.#memory = memory
    this.#onForgotten = onForgotten
  }

  get size(): number {
    return this.#byId.size
  }

  /** All nodes by their numbers. */
  get all(): ReadonlyMap<number, KnownNode> {
    return this.#byId
  }

  has(id: number): boolean {
    return this.#byId.has(id)
  }

  /** @throws ESTALE for a number that stands for nothing. */
  get(id: number): KnownNode {
    const known = this.#byId.get(id)
    if (known === undefined) throw new ErrnoError(errno.ESTALE, 'node')
    return known
  }

  /** The directory that the client begins with. It is never forgotten. The table takes over the caller's use of it. */
  setRoot(node: Node): void {
    this.#add({ id: ROOT_ID, node, lookups: Infinity })
  }

  /**
   * The client is told of `node`. The table takes over the caller's use of it, also where this fails.
   *
   * @param attributes its own, as of now.
   * @throws ENFILE where the client knows as many nodes as its limit allows, or all clients together as many as fit into
   *   memory.
   */
  tell(node: Node, attributes: Attributes): KnownNode {
    const known = this.#byKey.get(node.key) ?? this.#otherName(node, attributes)
    if (known !== undefined) {
      node.release()
      known.lookups++
      return known
    }
    try {
      this.checkRoom()
    } catch (error) {
      node.release()
      throw error
    }
    const added = { id: ++this.#last, node, lookups: 1 }
    this.#add(added)
    this.seen(added, attributes)
    return added
  }

  /** To be called before a file is made, which the client will be told of. @throws ENFILE as {@link tell}. */
  checkRoom(): void {
    if (this.size >= this.#limit) throw new LimitError('fids', errno.ENFILE)
    this.#memory.check(heapBytes.fid, errno.ENFILE)
  }

  /** The attributes of a node, which say whether its file has several names. */
  seen(known: KnownNode, { nlink, ino }: Attributes): void {
    if (nlink < 2 || known.node.isDirectory || this.#linked.has(ino)) return
    this.#linked.set(ino, known)
  }

  /** The client forgets `count` lookups of a node. A number that stands for nothing is ignored. */
  forget(id: number, count: number): void {
    const known = this.#byId.get(id)
    if (known === undefined) return
    known.lookups -= count
    if (known.lookups <= 0) this.#remove(known)
  }

  /** The nodes are those of a session that was saved. @param last the last number that it has given out. */
  restore(nodes: Iterable<KnownNode>, last: number): void {
    for (const known of nodes) this.#add(known)
    this.#last = last
  }

  /** The last number that was given out. */
  get last(): number {
    return this.#last
  }

  /**
   * Forgets all nodes, which no open file may need any more. Their numbers are not given out again. The nodes are released
   * in pieces: other clients would wait a fifth of a second for 300,000 of them.
   */
  clear(): void {
    const left = this.#byId.values()
    this.#byId = new Map()
    this.#byKey = new Map()
    this.#linked = new Map()
    this.#release(left)
  }

  #release(left: Iterator<KnownNode>): void {
    for (let released = 0; released < PIECE || this.#later === undefined; released++) {
      const next = left.next()
      if (next.done === true) return
      this.#memory.count(-heapBytes.fid)
      next.value.node.release()
    }
    this.#later(0, () => this.#release(left))
  }

  #add(known: KnownNode): void {
    this.#memory.count(heapBytes.fid)
    this.#byId.set(known.id, known)
    this.#byKey.set(known.node.key, known)
  }

  #remove(known: KnownNode): void {
    const { id, node } = known
    this.#memory.count(-heapBytes.fid)
    this.#byId.delete(id)
    if (this.#byKey.get(node.key) === known) this.#byKey.delete(node.key)
    if (this.#linked.size > 0 && this.#linked.get(node.ino) === known) this.#linked.delete(node.ino)
    this.#onForgotten(known)
    node.release()
  }

  /** The known node of the same file under another name. */
  #otherName(node: Node, { ino }: Attributes): KnownNode | undefined {
    // Not by `nlink`: the known name may be the one that is gone.
    if (this.#linked.size === 0 || node.isDirectory) return undefined
    const known = this.#linked.get(ino)
    if (known === undefined) return undefined
    if (known.node.isSameFile(node)) return known
    // The inode number has become another file's.
    this.#linked.delete(ino)
    return undefined
  }
}
