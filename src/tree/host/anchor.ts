import { ErrnoError, errno } from '../../sys/errno.ts'
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY, O_RDWR } from '../../sys/constants.ts'
import { accessMode, ofdConflict, setOfdLock } from '../../sys/locks.ts'
import type { LockRange, LockType } from '../locks.ts'
import type { Descriptors } from './descriptors.ts'
import type { Work } from './interval-tree.ts'
import type { FileRanges } from './lock-ranges.ts'

/** The whole of any file. */
const everything: LockRange = { start: 0n, end: 0x7fff_ffff_ffff_ffffn }

/** What a call of fcntl(2) costs in steps of {@link Work}, without the locks that the kernel looks at. */
const CALL_STEPS = 16

/**
 * How many of a file's locks the kernel looks at in the time of one step. It keeps them in a list
 * (posix_lock_inode of fs/locks.c).
 */
const LOCKS_PER_STEP = 8

/** The most locks that a request for a write lock copies to another descriptor, see prepareToWrite. */
const COPIES_MOST = 64

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
  readonly #ranges: FileRanges
  readonly #work: Work
  #fd: number
  #mode: ReturnType<typeof accessMode>
  /** The range that {@link catchUp} works on, from its start on. */
  #current: LockRange | null = null
  /** The range that it works on next. */
  #next: LockRange | null = null

  /**
   * @param fd the file that a guest has opened.
   * @param descriptors those of the tree; the anchor's descriptor is one of them.
   * @param self /proc/self/fd, see policy.ts.
   * @param writable whether guests may write to the export: if not, their locks exclude no reader on the
   *   host.
   * @param ranges the locks of all guests, which it shows.
   * @param work counts the steps, see {@link CALL_STEPS}.
   */
  constructor(
    fd: number,
    descriptors: Descriptors,
    self: number,
    writable: boolean,
    ranges: FileRanges,
    work: Work,
  ) {
    this.#ranges = ranges
    this.#work = work
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

  /**
   * Makes it able to hold write locks, if the host allows it. Locks that are held stay held throughout.
   *
   * With many locks, the host's programs see a few longer ones at first, and {@link catchUp} unlocks what lies
   * between them.
   *
   * @throws ENOLCK when locks of the host's programs lie between too many of them.
   */
  prepareToWrite(fd: number): void {
    if (this.#mode !== 'read' || !this.#writable) return
    const next = this.#open(fd, O_RDWR)
    if (next === undefined) return
    try {
      this.#copyTo(next)
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
    return this.#call(this.#fd, possible, range)
  }

  /**
   * The guests' locks in this range have become fewer, or weaker. {@link catchUp} shows that to the host.
   * Until then its programs see locks that no guest holds any more, and never fewer than guests hold.
   */
  stale(range: LockRange): void {
    const before = this.#next
    this.#next = before === null ? range : around(before, range)
  }

  /** Whether there is anything to show to the host. */
  get isStale(): boolean {
    return this.#current !== null || this.#next !== null
  }

  /**
   * Shows the host what has become stale.
   *
   * @param until the count of steps at which it stops.
   * @returns whether all is shown.
   */
  catchUp(until: number): boolean {
    for (;;) {
      if (this.#current === null) {
        this.#current = this.#next
        this.#next = null
      }
      if (this.#current === null) return true
      const { end } = this.#current
      while (this.#current.start <= end) {
        if (this.#work.steps >= until) return false
        const part = this.#ranges.partAt(this.#current.start, end)
        this.set(part.type, part)
        this.#current = { start: part.end + 1n, end }
      }
      this.#current = null
    }
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

  /** Locks what guests hold through the descriptor `next` as well. Two descriptors can hold read locks. */
  #copyTo(next: number): void {
    let copies = 0
    const end = this.#ranges.lastEnd
    for (let start = 0n; start <= end;) {
      const part = this.#ranges.partAt(start, end)
      start = part.end + 1n
      if (part.type === null) continue
      if (++copies > COPIES_MOST) {
        // One lock for all that is left: more than guests hold, for a moment.
        const rest = { start: part.start, end }
        this.stale(rest)
        if (this.#call(next, 'read', rest)) return
        throw new ErrnoError(errno.ENOLCK, 'lock of a file with many locks')
      }
      this.#call(next, 'read', part)
    }
  }

  #call(fd: number, type: LockType | null, range: LockRange): boolean {
    this.#work.steps += CALL_STEPS + Math.ceil(this.#ranges.size / LOCKS_PER_STEP)
    return setOfdLock(fd, type ?? 'none', range)
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

/** The smallest range that has both in it. */
export function around(a: LockRange, b: LockRange): LockRange {
  return { start: a.start < b.start ? a.start : b.start, end: a.end > b.end ? a.end : b.end }
}
