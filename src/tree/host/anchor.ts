import { ErrnoError } from '../../sys/errno.ts'
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY, O_RDWR } from '../../sys/constants.ts'
import { accessMode, ofdConflict, setOfdLock } from '../../sys/locks.ts'
import type { LockRange, LockType } from '../locks.ts'
import type { Descriptors } from './descriptors.ts'
import { type HeldList, strongest } from './lock-ranges.ts'

/** The whole of any file. */
const everything: LockRange = { start: 0n, end: 0x7fff_ffff_ffff_ffffn }

/**
 * A descriptor for the locks that guests hold of one file. The host's programs see all guests as one holder,
 * which has the strongest lock that any guest has of each byte.
 *
 * The kernel grants read locks to descriptors that may read, and write locks to those that may write. The
 * file is opened for reading first, and for writing only when a guest wants a write lock, because opening for
 * writing has effects: overlayfs copies the file up, leases break, watchers are notified. Where the host
 * refuses an open, its programs see a lock of the type that the descriptor can hold.
 */
export class Anchor {
  readonly #descriptors: Descriptors
  readonly #self: number
  readonly #writable: boolean
  #fd: number
  #mode: ReturnType<typeof accessMode>

  /**
   * @param fd the file that a guest has opened.
   * @param descriptors those of the tree; the anchor's descriptor is one of them.
   * @param self /proc/self/fd, see policy.ts.
   * @param writable whether guests may write to the export: if not, their locks exclude no reader on the
   *   host.
   */
  constructor(fd: number, descriptors: Descriptors, self: number, writable: boolean) {
    this.#descriptors = descriptors
    this.#self = self
    this.#writable = writable
    // The host may refuse to open the file again. The guest's own descriptor is used then.
    this.#fd = this.#open(fd, O_RDONLY) ?? descriptors.duplicate(fd)
    try {
      this.#mode = accessMode(this.#fd)
    } catch (error) {
      descriptors.discard(this.#fd)
      throw error
    }
  }

  /** Makes it able to hold write locks, if the host allows it. Locks that are held stay held throughout. */
  prepareToWrite(fd: number, list: HeldList): void {
    if (this.#mode !== 'read' || !this.#writable) return
    const next = this.#open(fd, O_RDWR)
    if (next === undefined) return
    try {
      // Two descriptors can hold read locks at the same time.
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

  /** @returns false when a lock of a program of the host conflicts. */
  set(type: LockType | null, range: LockRange): boolean {
    const possible = this.#mode === 'both' || type === null ? type : this.#mode
    return setOfdLock(this.#fd, possible ?? 'none', range)
  }

  /** The lock of a program of the host's that conflicts with `type`. */
  conflict(type: LockType, range: LockRange): ReturnType<typeof ofdConflict> {
    return ofdConflict(this.#fd, type, range)
  }

  /** Gives back everything. A failure is not reported, because the request that has led here has succeeded. */
  close(): void {
    try {
      // If this is a duplicate, the guest's descriptor would keep its locks: so they are unlocked.
      setOfdLock(this.#fd, 'none', everything)
    } catch (error) {
      // Closing a descriptor that is no duplicate ends its locks.
      if (!(error instanceof ErrnoError)) throw error
    } finally {
      this.#descriptors.discard(this.#fd)
    }
  }

  /** The same file, opened again; undefined where the host refuses. */
  #open(fd: number, flags: number): number | undefined {
    try {
      // O_NONBLOCK: the open must not wait for the holder of a lease (F_SETLEASE of fcntl(2)).
      return this.#descriptors.open(this.#self, `${fd}`, flags | O_CLOEXEC | O_NONBLOCK)
    } catch (error) {
      if (error instanceof ErrnoError) return undefined
      throw error
    }
  }
}
