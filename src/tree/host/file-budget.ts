import { getHeapStatistics } from 'node:v8'
import { ErrnoError, errno } from '../../sys/errno.ts'

/** The memory of a remembered file on the heap, in bytes: some 370, and its name. */
const FILE_BYTES = 512

/**
 * Limits how many files a tree remembers. The limit of fids does not do that: a file also keeps the
 * directories above it, and a guest may make those as deep as it likes. A process whose heap is full ends.
 */
export class FileBudget {
  readonly #most: number
  #count = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Counts one file more. @throws ENFILE at the limit. */
  take(): void {
    if (this.#count >= this.#most) throw new ErrnoError(errno.ENFILE, 'files of the tree')
    this.#count++
  }

  /** Counts one file less. */
  giveBack(): void {
    this.#count--
  }
}

/** The number that fits into half of this thread's heap. The other half is for fids and everything else. */
export function fileLimit(): number {
  return Math.floor(getHeapStatistics().heap_size_limit / 2 / FILE_BYTES)
}
