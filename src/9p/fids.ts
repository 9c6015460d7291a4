import { ErrnoError, errno } from '../sys/errno.ts'
import { NOFID } from './wire/limits.ts'
import type { Node, OpenNode, Tree } from '../tree/tree.ts'
import type { XattrValue } from './xattr-values.ts'
import { LimitError } from './session-limits.ts'

/** What a fid stands for: a node, and what was opened of it. */
export interface Fid {
  readonly node: Node
  readonly attached: Attached
  opened: Opened | null
  /** The value of an extended attribute of the node: then the fid stands for that and nothing else. */
  xattr: XattrValue | null
}

/** A node that was opened. */
export interface Opened {
  readonly file: OpenNode
  /** Those of Tlopen or Tlcreate. */
  readonly flags: number
}

/** What a fid has from the Tattach that it descends from; shared, since there may be very many fids. */
export interface Attached {
  /** The tree that the node is of: it says what may be changed. */
  readonly tree: Tree
  /** The name that it attached to. */
  readonly aname: string
  /** The user that attached: the owner of what is created through this fid. */
  readonly uid: number
}

/** The fids of one session: the only owner of the nodes and files behind them. */
export class FidTable {
  readonly #fids = new Map<number, Fid>()
  /** Those whose file could not be found when the session was loaded. */
  readonly #lost = new Set<number>()
  readonly #limit: number

  /** @param limit how many fids there may be at once; one more is ENFILE. */
  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#fids.size + this.#lost.size
  }

  /** Those that stand for something. */
  get all(): ReadonlyMap<number, Fid> {
    return this.#fids
  }

  /** Those that are in use and stand for nothing: ESTALE until they are given back. */
  get lost(): ReadonlySet<number> {
    return this.#lost
  }

  /** A fid of a file. @throws ESTALE, EBADF for a number that stands for nothing or for an xattr. */
  get(number: number): Fid {
    const fid = this.any(number)
    if (fid.xattr !== null) throw new ErrnoError(errno.EBADF, 'fid of an xattr')
    return fid
  }

  /** A fid of either sort. @throws EBADF for a number that stands for nothing, ESTALE for one that is lost. */
  any(number: number): Fid {
    const fid = this.#fids.get(number)
    if (fid !== undefined) return fid
    throw new ErrnoError(this.#lost.has(number) ? errno.ESTALE : errno.EBADF, 'fid')
  }

  /**
   * Checks that `number` may be given to a new fid.
   *
   * @throws EINVAL when it is in use or NOFID, ENFILE when the session has as many as it may.
   */
  checkFree(number: number): void {
    const inUse = this.#fids.has(number) || this.#lost.has(number)
    if (number === NOFID || inUse) throw new ErrnoError(errno.EINVAL, 'fid in use')
    if (this.size >= this.#limit) throw new LimitError('fids', errno.ENFILE)
  }

  /** `number` stands for `node` from now on; one use of the node goes over to the table. */
  set(number: number, node: Node, attached: Attached, opened: Opened | null = null): void {
    this.#fids.set(number, { node, attached, opened, xattr: null })
  }

  /** `number` stands for an xattr of `node`; one use of the node goes over to the table. */
  setXattr(number: number, node: Node, attached: Attached, xattr: XattrValue): void {
    this.#fids.set(number, { node, attached, opened: null, xattr })
  }

  /** `number` is in use and stands for nothing: its file cannot be found. */
  lose(number: number): void {
    this.#lost.add(number)
  }

  /** Forgets a fid and closes what it held; a number that stands for nothing is EBADF. */
  remove(number: number): void {
    if (this.#lost.delete(number)) return
    const fid = this.any(number)
    this.#fids.delete(number)
    close(fid)
  }

  /**
   * Forgets all fids, also those that cannot be closed cleanly. An errno is not reported: close(2) tells of
   * an I/O error late, the descriptor is gone all the same, and no request is left to answer.
   *
   * @param report called with anything else that closing one throws.
   */
  clear(report: (error: unknown) => void): void {
    const all = [...this.#fids.values()]
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
