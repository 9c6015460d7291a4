import { ErrnoError, errno } from '../sys/errno.ts'
import { type ClientMemory, heapBytes } from '../session/client-memory.ts'
import { LimitError } from '../session/session-limits.ts'
import { openFlags } from '../tree/flags.ts'
import type { OpenDirectory, OpenFile, OpenNode } from '../tree/tree.ts'
import type { KnownNode } from './nodes.ts'

/** The file handle of a file that the client has opened without asking. */
export const NO_HANDLE = 0

/** What a file handle stands for. */
export interface OpenHandle {
  readonly file: OpenNode
  readonly node: KnownNode
  /** The flags that it was opened with, and the user. */
  readonly flags: number
  readonly uid: number
}

/**
 * How many files are kept open that the client has opened without asking. A client of many files reads a few of them at a
 * time.
 */
const KEPT = 64

/**
 * The open files of one session, which it owns.
 *
 * On a read-only tree that is cached, a client opens files without asking (FUSE_NO_OPEN_SUPPORT), and reads with file handle
 * 0. The files that were read last are kept open, by their nodes, as long as the tree needs no descriptor for others.
 */
export class OpenFiles {
  readonly #byHandle = new Map<number, OpenHandle>()
  /** In the order of their last use. */
  readonly #byNode = new Map<KnownNode, OpenNode>()
  readonly #limit: number
  readonly #memory: ClientMemory
  /** Handles whose file could not be opened again when the session was loaded. */
  readonly #lost = new Set<number>()
  #last = 0
  #lastUsed: KnownNode | undefined

  /**
   * @param limit the most handles at once; beyond it an open is ENFILE.
   * @param memory what all clients share; a handle for which it has no room is ENFILE, too.
   */
  constructor(limit: number, memory: ClientMemory) {
    this.#limit = limit
    this.#memory = memory
  }

  get size(): number {
    return this.#byHandle.size
  }

  /** What all handles stand for. */
  get all(): ReadonlyMap<number, OpenHandle> {
    return this.#byHandle
  }

  /** The last handle that was given out. */
  get last(): number {
    return this.#last
  }

  /** To be called before something is opened for a handle. @throws ENFILE as the constructor says. */
  checkRoom(): void {
    if (this.size >= this.#limit) throw new LimitError('fids', errno.ENFILE)
    this.#memory.check(heapBytes.fid, errno.ENFILE)
  }

  /** A handle for an open file, which it owns from now on. */
  add(handle: OpenHandle): number {
    const fh = ++this.#last
    this.restore(fh, handle)
    return fh
  }

  /** The handle `fh` of a session that was saved stands for this open file, which it owns from now on. */
  restore(fh: number, handle: OpenHandle): void {
    this.#memory.count(heapBytes.fid)
    this.#byHandle.set(fh, handle)
    this.#last = Math.max(this.#last, fh)
  }

  /** Whether a handle stands for a file that could not be opened again. */
  isLost(fh: number): boolean {
    return this.#lost.has(fh)
  }

  /** The handle `fh` of a session that was saved stands for a file that cannot be opened again. */
  lose(fh: number): void {
    this.#lost.add(fh)
  }

  /** Handles up to this one were given out by a session that was saved. */
  restoreLast(fh: number): void {
    this.#last = Math.max(this.#last, fh)
  }

  /** @throws ESTALE for a handle that is lost, EBADF for one that stands for nothing. */
  get(fh: number): OpenHandle {
    const handle = this.#byHandle.get(fh)
    if (handle !== undefined) return handle
    throw new ErrnoError(this.#lost.has(fh) ? errno.ESTALE : errno.EBADF, 'file handle')
  }

  /** The open file of a handle, or of a node that was opened without asking. @throws EBADF, EISDIR. */
  file(fh: number, node: KnownNode | null, uid: number): OpenFile {
    const file = node !== null && fh === NO_HANDLE ? this.#opened(node, uid) : this.get(fh).file
    if (file.isDirectory) throw new ErrnoError(errno.EISDIR, 'file expected')
    return file
  }

  /** The same for a directory. @throws EBADF, ENOTDIR. */
  directory(fh: number, node: KnownNode | null, uid: number): OpenDirectory {
    const file = node !== null && fh === NO_HANDLE ? this.#opened(node, uid) : this.get(fh).file
    if (!file.isDirectory) throw new ErrnoError(errno.ENOTDIR, 'directory expected')
    return file
  }

  /** Closes a handle. @throws EBADF for one that stands for nothing, and as close(2). */
  close(fh: number): void {
    if (this.#lost.delete(fh)) return
    const { file } = this.get(fh)
    this.#byHandle.delete(fh)
    this.#memory.count(-heapBytes.fid)
    file.close()
  }

  /** Closes what is kept open for a node. Errors of close(2) are dropped, since nothing was written. */
  forget(node: KnownNode): void {
    const file = this.#byNode.get(node)
    if (file === undefined) return
    this.#byNode.delete(node)
    if (this.#lastUsed === node) this.#lastUsed = undefined
    quietly(file)
  }

  /**
   * Closes everything. An errno of close(2) is dropped: it tells of an earlier write that failed, the descriptor is closed in
   * any case, and no request is left to answer.
   */
  clear(): void {
    const all = [...this.#byHandle.values()]
    this.#memory.count(-all.length * heapBytes.fid)
    this.#byHandle.clear()
    this.#lost.clear()
    for (const { file } of all) quietly(file)
    for (const node of this.#byNode.keys()) this.forget(node)
  }

  #opened(node: KnownNode, uid: number): OpenNode {
    let file = this.#byNode.get(node)
    if (this.#lastUsed === node && file !== undefined) return file
    if (file === undefined) {
      if (this.#byNode.size >= KEPT) {
        for (const oldest of this.#byNode.keys()) {
          this.forget(oldest)
          break
        }
      }
      file = node.node.open(openFlags.RDONLY, uid)
      file.lend?.({ mayClose: () => this.#lastUsed !== node, close: () => this.forget(node) })
    } else this.#byNode.delete(node)
    this.#byNode.set(node, file)
    this.#lastUsed = node
    return file
  }
}

function quietly(file: OpenNode): void {
  try {
    file.close()
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error
  }
}
