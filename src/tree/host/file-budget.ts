import { getHeapStatistics } from 'node:v8'
import { ErrnoError, errno } from '../../sys/errno.ts'

/** Bytes of the heap that a remembered file takes: some 370, and its name. */
const FILE_BYTES = 512

/**
 * How many files of one tree are remembered. A client's limit of fids does not bound it: a file remembers
 * the directories that it was reached through, which a guest may make as deep as it likes. The heap is
 * bounded, and a thread whose heap is full ends.
 */
export class FileBudget {
  readonly #most: number
  #count = 0

  constructor(most: number) {
    this.#most = most
  }

  /** One more file. @throws ENFILE when there are as many as there may be. */
  take(): void {
    if (this.#count >= this.#most) throw new ErrnoError(errno.ENFILE, 'files of the tree')
    this.#count++
  }

  /** One file less. */
  giveBack(): void {
    this.#count--
  }
}

/** As many as fit into half of this thread's heap; the other half is for fids and all else. */
export function fileLimit(): number {
  return Math.floor(getHeapStatistics().heap_size_limit / 2 / FILE_BYTES)
}
