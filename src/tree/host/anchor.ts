import { ErrnoError } from '../../sys/errno.ts'
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY, O_RDWR } from '../../sys/constants.ts'
import { accessMode, ofdConflict, setOfdLock } from '../../sys/locks.ts'
import type { LockRange, LockType } from '../locks.ts'
import type { Descriptors } from './descriptors.ts'
import { type HeldList, strongest } from './lock-ranges.ts'

/** The whole of any file. */
const everything: LockRange = { start: 0n, end: 0x7fff_ffff_ffff_ffffn }

/**
 * A descriptor of its own for the locks that guests hold of one file: to the host's programs all
 * guests are one holder, with the strongest lock that any of them has of each byte.
 *
 * The kernel grants read locks to descriptors that may read, and write locks to those that may write.
 * The file is opened for reading first, and for writing only when a guest wants a write lock: opening
 * for writing has effects (overlayfs copies the file up, leases break, watchers hear of it). Where the
 * host does not let us, a lock is as strong there as it can be.
 */
export class Anchor {
  readonly #descriptors: Descriptors
  readonly #self: number
  readonly #writable: boolean
  #fd: number
  #mode: ReturnType<typeof accessMode>

  /**
   * @param fd an open file of a guest's.
   * @param descriptors those of the tree; the anchor's own is one of them.
   * @param self /proc/self/fd, see policy.ts.
   * @param writable whether guests may write to the export: if not, their locks exclude no reader on the
   *   host.
   */
  constructor(fd: number, descriptors: Descriptors, self: number, writable: boolean) {
    this.#descriptors = descriptors
    this.#self = self
    this.#writable = writable
    // The host may refuse by now to open the file again: then the guest's own descriptor has to do.
    this.#fd = this.#open(fd, O_RDONLY) ?? descriptors.duplicate(fd)
    try {
      this.#mode = accessMode(this.#fd)
    } catch (error) {
      descriptors.discard(this.#fd)
      throw error
    }
  }

  /** Makes it fit for write locks, where that is possible; what is locked stays locked throughout. */
  prepareToWrite(fd: number, list: HeldList): void {
    if (this.#mode !== 'read' || !this.#writable) return
    const next = this.#open(fd, O_RDWR)
    if (next === undefined) return
    try {
      // Read locks of two descriptors can be held side by side.
      for (const { type, ...range } of strongest(list, everything)) {
        if (type !== null) setOfdLock(next, 'read', range)
      }
    } catch (error) {
      this.#descriptors.discard(next)
      throw error
    }
    this.close()
    this.#fd = next
    this.#mode = 'both'
  }

  /** @returns false when a program of the host is in the way. */
  set(type: LockType | null, range: LockRange): boolean {
    const possible = this.#mode === 'both' || type === null ? type : this.#mode
    return setOfdLock(this.#fd, possible ?? 'none', range)
  }

  /** A lock of a program of the host's that is in the way of `type`. */
  conflict(type: LockType, range: LockRange): ReturnType<typeof ofdConflict> {
    return ofdConflict(this.#fd, type, range)
  }

  /** Gives back everything. The request that led here has succeeded, so a failure is not reported. */
  close(): void {
    try {
      // A duplicate's locks would outlive it.
      setOfdLock(this.#fd, 'none', everything)
    } catch (error) {
      // The locks of any other descriptor end with it.
      if (!(error instanceof ErrnoError)) throw error
    } finally {
      this.#descriptors.discard(this.#fd)
    }
  }

  /** The same file once more, or undefined where the host refuses. */
  #open(fd: number, flags: number): number | undefined {
    try {
      // O_NONBLOCK: it must not wait for the holder of a lease (F_SETLEASE of fcntl(2)).
      return this.#descriptors.open(this.#self, `${fd}`, flags | O_CLOEXEC | O_NONBLOCK)
    } catch (error) {
      if (error instanceof ErrnoError) return undefined
      throw error
    }
  }
}
