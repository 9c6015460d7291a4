import { ErrnoError, errno } from '../errno.ts'
import { NOFID } from '../protocol/limits.ts'
import type { Node, OpenFile, Tree } from '../tree/tree.ts'
import type { AttributeValue } from './attributes.ts'
import { LimitError } from './limits.ts'

/** What a fid stands for: a node, and the open file once it was opened. */
export interface Fid {
  readonly node: Node
  readonly attached: Attached
  file: OpenFile | null
  /** One of the node's extended attributes: then it stands for that and nothing else. */
  attribute: AttributeValue | null
}

/** What a fid has from the Tattach that it descends from; shared, since there may be very many fids. */
export interface Attached {
  /** The tree that the node is of: it says what may be changed. */
  readonly tree: Tree
  /** Who attached: the owner of what is created through this fid. */
  readonly uid: number
}

/** The fids of one session: the only owner of the nodes and files behind them. */
export class FidTable {
  readonly #fids = new Map<number, Fid>()
  readonly #limit: number

  /** @param limit how many fids there may be at once; one more is ENFILE. */
  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#fids.size
  }

  /** A fid of a file. @throws EBADF for a number that stands for nothing or for an attribute. */
  get(number: number): Fid {
    const fid = this.any(number)
    if (fid.attribute !== null) throw new ErrnoError(errno.EBADF, 'fid of an attribute')
    return fid
  }

  /** A fid of either sort. @throws EBADF for a number that stands for nothing. */
  any(number: number): Fid {
    const fid = this.#fids.get(number)
    if (fid === undefined) throw new ErrnoError(errno.EBADF, 'fid')
    return fid
  }

  /**
   * Checks that `number` may be given to a new fid.
   *
   * @throws EINVAL when it is in use or NOFID, ENFILE when the session has as many as it may.
   */
  checkFree(number: number): void {
    if (number === NOFID || this.#fids.has(number)) throw new ErrnoError(errno.EINVAL, 'fid in use')
    if (this.#fids.size >= this.#limit) throw new LimitError('fids', errno.ENFILE)
  }

  /** `number` stands for `node` from now on; one use of the node goes over to the table. */
  set(number: number, node: Node, attached: Attached, file: OpenFile | null = null): void {
    this.#fids.set(number, { node, attached, file, attribute: null })
  }

  /** `number` stands for an attribute of `node`; one use of the node goes over to the table. */
  setAttribute(number: number, node: Node, attached: Attached, attribute: AttributeValue): void {
    this.#fids.set(number, { node, attached, file: null, attribute })
  }

  /** Forgets a fid and closes what it held; a number that stands for nothing is EBADF. */
  remove(number: number): void {
    const fid = this.any(number)
    this.#fids.delete(number)
    close(fid)
  }

  /** Forgets all fids, also those that cannot be closed cleanly: nobody is left to be told. */
  clear(): void {
    const all = [...this.#fids.values()]
    this.#fids.clear()
    for (const fid of all) {
      try {
        close(fid)
      } catch {
        // An I/O error that close(2) reports late: the descriptor is gone all the same.
      }
    }
  }
}

function close(fid: Fid): void {
  try {
    fid.attribute?.close()
    fid.file?.close()
  } finally {
    fid.node.release()
  }
}
