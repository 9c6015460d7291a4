import { ErrnoError, errno } from '../sys/errno.ts'
import { type ClientMemory, heapBytes } from '../session/client-memory.ts'
import { NOFID } from './wire/limits.ts'
import type { Node, OpenNode, Tree } from '../tree/tree.ts'
import type { XattrValue } from './xattr-values.ts'
import { LimitError } from '../session/session-limits.ts'

/** What a fid stands for: a node, and the open file or directory if the fid was opened. */
export interface Fid {
  readonly node: Node
  readonly attached: Attached
  opened: Opened | null
  /**
   * The value of an extended attribute of the node, for a fid of Txattrwalk or Txattrcreate. The fid is then
   * of no other use.
   */
  xattr: XattrValue | null
}

/** A node that was opened. */
export interface Opened {
  readonly file: OpenNode
  /** The flags of Tlopen or Tlcreate. */
  readonly flags: number
}

/** The attach that a fid descends from. Fids share this object, since there may be very many of them. */
export interface Attached {
  /** The tree that the node belongs to. It says whether it is read-only. */
  readonly tree: Tree
  /** The aname of the attach. */
  readonly aname: string
  /** The n_uname of the attach: the owner of files that are created through this fid. */
  readonly uid: number
}

/** The fids of one session: the only owner of the nodes and files behind them. */
export class FidTable {
  readonly #fids = new Map<number, Fid>()
  /** Fids whose file could not be found when the session was loaded. */
  readonly #lost = new Set<number>()
  readonly #limit: number
  readonly #memory: ClientMemory

  /**
   * @param limit the most fids at once; beyond it a new fid is ENFILE.
   * @param memory what all clients share; a new fid for which it has no room is ENFILE, too.
   */
  constructor(limit: number, memory: ClientMemory) {
    this.#limit = limit
    this.#memory = memory
  }

  get size(): number {
    return this.#fids.size + this.#lost.size
  }

  /** The fids that stand for a node. */
  get all(): ReadonlyMap<number, Fid> {
    return this.#fids
  }

  /** The fids that are in use and stand for nothing: ESTALE until Tclunk. */
  get lost(): ReadonlySet<number> {
    return this.#lost
  }

  /**
   * A fid of a node. @throws ESTALE for one that is lost, EBADF for a number that stands for nothing or for
   * an xattr.
   */
  get(number: number): Fid {
    const fid = this.any(number)
    if (fid.xattr !== null) throw new ErrnoError(errno.EBADF, 'fid of an xattr')
    return fid
  }

  /**
   * A fid of a node or of an xattr. @throws EBADF for a number that stands for nothing, ESTALE for one that
   * is lost.
   */
  any(number: number): Fid {
    const fid = this.#fids.get(number)
    if (fid !== undefined) return fid
    throw new ErrnoError(this.#lost.has(number) ? errno.ESTALE : errno.EBADF, 'fid')
  }

  /**
   * Checks that `number` may be given to a new fid.
   *
   * @throws EINVAL when it is in use or NOFID, ENFILE when the session has as many fids as its limit allows, or all sessions
   *   together as many as fit into memory.
   */
  checkFree(number: number): void {
    const inUse = this.#fids.has(number) || this.#lost.has(number)
    if (number === NOFID || inUse) throw new ErrnoError(errno.EINVAL, 'fid in use')
    if (this.size >= this.#limit) throw new LimitError('fids', errno.ENFILE)
    this.#memory.check(heapBytes.fid, errno.ENFILE)
  }

  /** From now on `number` stands for `node`. The table takes over the caller's use of the node. */
  set(number: number, node: Node, attached: Attached, opened: Opened | null = null): void {
    this.#memory.count(heapBytes.fid)
    this.#fids.set(number, { node, attached, opened, xattr: null })
  }

  /** From now on `number` stands for an xattr of `node`. The table takes over the caller's use of the node. */
  setXattr(number: number, node: Node, attached: Attached, xattr: XattrValue): void {
    this.#memory.count(heapBytes.fid)
    this.#fids.set(number, { node, attached, opened: null, xattr })
  }

  /** From now on `number` is in use and stands for nothing: its file cannot be found. */
  lose(number: number): void {
    this.#memory.count(heapBytes.fid)
    this.#lost.add(number)
  }

  /** Forgets a fid and closes its file. @throws EBADF for a number that stands for nothing. */
  remove(number: number): void {
    if (this.#lost.delete(number)) {
      this.#memory.count(-heapBytes.fid)
      return
    }
    const fid = this.any(number)
    this.#fids.delete(number)
    this.#memory.count(-heapBytes.fid)
    close(fid)
  }

  /**
   * Forgets all fids. An errno of close(2) is dropped: it tells of an earlier write that failed, the
   * descriptor is closed in any case, and no request is left to answer.
   *
   * @param report is called with any other error.
   */
  clear(report: (error: unknown) => void): void {
    const all = [...this.#fids.values()]
    this.#memory.count(-this.size * heapBytes.fid)
    this.#fids.clear()
    this.#lost.clear()
    for (const fid of all) {
      try {
        close(fid)
      } catch (error) {
        if (!(error instanceof ErrnoError)) report(error)
      }
    }
  }
}

function close(fid: Fid): void {
  try {
    fid.xattr?.close()
    fid.opened?.file.close()
  } finally {
    fid.node.release()
  }
}
