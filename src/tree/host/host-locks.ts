import { ErrnoError, errno } from '../../sys/errno.ts'
import { ofdConflict } from '../../sys/locks.ts'
import { statx } from '../../sys/statx.ts'
import { Deferred } from '../deferred.ts'
import type { Later } from '../later.ts'
import type { Lock, LockHolder, LockOwner, LockRange, Locks } from '../locks.ts'
import { Anchor } from './anchor.ts'
import type { Descriptors } from './descriptors.ts'
import {
  type Change,
  type HeldList,
  changed,
  inTheWay,
  sameOwner,
  strongest,
} from './lock-ranges.ts'

/** How often a lock is tried again that a program of the host holds and a guest waits for, in milliseconds. */
const RETRY_MS = 20

/**
 * How long a request for a lock waits before the answer is "ask again", in milliseconds. While it waits
 * for the answer, Linux's client lets no signal but a fatal one through (p9_client_rpc); between two
 * requests a signal handler such as that of an alarm can run.
 */
const WAIT_MS = 30_000

/** Most steps of one search for a deadlock. A longer search is given up, and the request waits. */
const SEARCH_STEPS = 100_000

interface Waiter {
  readonly lock: Lock
  readonly through: FileLocks
  readonly deferred: Deferred<boolean>
  /** Stops the clock of {@link WAIT_MS}. */
  readonly stop: () => void
}

/** All that is locked of one file, and the requests that wait for it. */
interface LockedFile {
  held: HeldList
  /** In the order of asking. */
  readonly waiting: Waiter[]
  /** From the first lock on until none is held or waited for. */
  anchor: Anchor | null
  /** Whether a request waits for a program of the host. */
  hostInTheWay: boolean
}

/**
 * The locked ranges of a tree's files: one table for all sessions, so that clients are kept apart
 * here, in memory. The host's programs see them through one {@link Anchor} for each file.
 *
 * A lock belongs to its owner, whichever open file it was taken through: a process of a guest may give it
 * back through another. It also ends when the open file is closed that it was taken through.
 */
export class LockTable {
  readonly #files = new Map<string, LockedFile>()
  readonly #descriptors: Descriptors
  readonly #self: number
  readonly #writable: boolean
  readonly #later: Later
  #retrying = false

  /** @param self /proc/self/fd, see policy.ts. */
  constructor(descriptors: Descriptors, self: number, readOnly: boolean, later: Later) {
    this.#descriptors = descriptors
    this.#self = self
    this.#writable = !readOnly
    this.#later = later
  }

  /** See Locks.lock. */
  lock(through: FileLocks, lock: Lock, wait: boolean): boolean | Deferred<boolean> {
    const file = this.#files.get(through.key) ?? this.#add(through.key)
    try {
      const found = this.#try(file, lock, through)
      if (found === 'granted') {
        // What was a write lock may have become a read lock.
        this.#serve(through.key, file)
        return true
      }
      if (!wait) return false
      if (this.#wouldDeadlock(file, lock)) throw new ErrnoError(errno.EDEADLK, 'lock')
      if (found === 'host') this.#askHostLater(file)
      return this.#wait(file, lock, through)
    } finally {
      this.#forgetIfUnused(through.key, file)
    }
  }

  /** See Locks.unlock. */
  unlock(through: FileLocks, range: LockRange, owner: LockOwner): void {
    const file = this.#files.get(through.key)
    const { start, end } = range
    // Often nothing: Linux's client says so for every process that closes a file with locks.
    const holds = file?.held.some(
      (held) => held.start <= end && held.end >= start && sameOwner(held.owner, owner),
    )
    if (file === undefined || !holds) return
    const next = this.#after(file, { start, end, owner, type: null, through })
    this.#tellHost(file, next, range)
    this.#commit(file, owner, next)
    this.#serve(through.key, file)
  }

  /** See Locks.conflict. */
  conflict(through: FileLocks, lock: Lock): LockHolder | undefined {
    const file = this.#files.get(through.key)
    let first: Lock | undefined
    for (const held of file?.held ?? []) {
      if (inTheWay(held, lock) && (first === undefined || held.start < first.start)) first = held
    }
    if (first !== undefined) {
      const { type, start, end, owner } = first
      return { type, start, end, procId: owner.procId, clientId: owner.clientId }
    }
    const found = file?.anchor
      ? file.anchor.conflict(lock.type, lock)
      : ofdConflict(through.fd, lock.type, lock)
    // The host's process numbers mean nothing to a guest.
    return found && { ...found, procId: 0, clientId: '' }
  }

  /** See Locks.held. */
  held(through: FileLocks): readonly Lock[] {
    const held = this.#files.get(through.key)?.held ?? []
    return held.filter((each) => each.through === through)
  }

  /** The open file is about to be closed: its locks go, and requests that wait through it get EBADF. */
  close(through: FileLocks): void {
    const file = this.#files.get(through.key)
    if (file === undefined) return
    for (const waiter of file.waiting.filter((each) => each.through === through)) {
      this.#remove(file, waiter)
      waiter.deferred.reject(new ErrnoError(errno.EBADF, 'the file was closed'))
    }
    const gone = file.held.filter((held) => held.through === through)
    try {
      const [first] = gone
      if (first !== undefined) {
        for (const { owner } of gone) owner.client.held--
        file.held = file.held.filter((held) => held.through !== through)
        let { start, end } = first
        for (const range of gone) {
          if (range.start < start) start = range.start
          if (range.end > end) end = range.end
        }
        this.#tellHost(file, file.held, { start, end })
      }
    } finally {
      // Also where the host has refused something: others wait for these ranges.
      this.#serve(through.key, file)
    }
  }

  #add(key: string): LockedFile {
    const file: LockedFile = { held: [], waiting: [], anchor: null, hostInTheWay: false }
    this.#files.set(key, file)
    return file
  }

  #forgetIfUnused(key: string, file: LockedFile): void {
    if (file.held.length > 0 || file.waiting.length > 0) return
    this.#files.delete(key)
    file.anchor?.close()
    file.anchor = null
  }

  /** Grants a lock, or says what is in the way: others of this table, or the host. */
  #try(file: LockedFile, lock: Lock, through: FileLocks): 'granted' | 'others' | 'host' {
    if (file.held.some((held) => inTheWay(held, lock))) return 'others'
    const next = this.#after(file, { ...lock, through })
    file.anchor ??= new Anchor(through.fd, this.#descriptors, this.#self, this.#writable)
    if (lock.type === 'write') file.anchor.prepareToWrite(through.fd, file.held)
    // Other owners have at most read locks in the range, and those only where a read lock is wanted: so
    // the strongest lock of each byte will be this one.
    if (!file.anchor.set(lock.type, lock)) return 'host'
    this.#commit(file, lock.owner, next)
    return 'granted'
  }

  /** @throws ENOLCK when the owner's client would hold too many. */
  #after(file: LockedFile, change: Change): HeldList {
    const next = changed(file.held, change)
    const more = next.length - file.held.length
    const { client } = change.owner
    if (more > 0 && client.held + more > client.most) throw client.refusal()
    return next
  }

  /** A change concerns the ranges of one owner and no others. */
  #commit(file: LockedFile, { client }: LockOwner, next: HeldList): void {
    client.held += next.length - file.held.length
    file.held = next
  }

  /** Shows the host's programs what `left` has of a range. */
  #tellHost(file: LockedFile, left: HeldList, range: LockRange): void {
    for (const { type, ...part } of strongest(left, range)) file.anchor?.set(type, part)
  }

  #wait(file: LockedFile, lock: Lock, through: FileLocks): Deferred<boolean> {
    const deferred = new Deferred<boolean>(() => {
      this.#remove(file, waiter)
      this.#forgetIfUnused(through.key, file)
    })
    const stop = this.#later(WAIT_MS, () => {
      this.#remove(file, waiter)
      this.#forgetIfUnused(through.key, file)
      deferred.resolve(false)
    })
    const waiter: Waiter = { lock, through, deferred, stop }
    file.waiting.push(waiter)
    return deferred
  }

  #remove(file: LockedFile, waiter: Waiter): void {
    waiter.stop()
    const at = file.waiting.indexOf(waiter)
    if (at >= 0) file.waiting.splice(at, 1)
  }

  /** Grants what has become possible to the requests that wait, in their order. */
  #serve(key: string, file: LockedFile): void {
    let granted: boolean
    do {
      granted = false
      file.hostInTheWay = false
      for (const waiter of file.waiting.slice()) granted = this.#retry(file, waiter) || granted
      // An owner that was granted a read lock may have had a write lock there, in the way of an earlier request.
    } while (granted && file.waiting.length > 0)
    this.#forgetIfUnused(key, file)
  }

  /** @returns whether it waits no longer because it was granted. */
  #retry(file: LockedFile, waiter: Waiter): boolean {
    // Its client may have ended while others were answered.
    if (!file.waiting.includes(waiter)) return false
    try {
      const found = this.#try(file, waiter.lock, waiter.through)
      if (found === 'host') this.#askHostLater(file)
      if (found !== 'granted') return false
    } catch (error) {
      this.#remove(file, waiter)
      waiter.deferred.reject(error)
      return false
    }
    this.#remove(file, waiter)
    waiter.deferred.resolve(true)
    return true
  }

  #askHostLater(file: LockedFile): void {
    file.hostInTheWay = true
    if (this.#retrying) return
    this.#retrying = true
    this.#later(RETRY_MS, () => {
      this.#retrying = false
      for (const [key, each] of this.#files) if (each.hostInTheWay) this.#serve(key, each)
    })
  }

  /** Whether the owner of `lock` would wait for an owner that waits, maybe through others, for it. */
  #wouldDeadlock(file: LockedFile, lock: Lock): boolean {
    let steps = 0
    const reached: LockOwner[] = []
    const reach = (held: HeldList, wanted: Lock): void => {
      steps += held.length
      for (const each of held) {
        if (inTheWay(each, wanted) && !reached.some((owner) => sameOwner(owner, each.owner))) {
          reached.push(each.owner)
        }
      }
    }
    reach(file.held, lock)
    // The list grows while it is gone through.
    for (const owner of reached) {
      for (const { held, waiting } of this.#files.values()) {
        for (const waiter of waiting) {
          if (++steps > SEARCH_STEPS) return false
          if (!sameOwner(waiter.lock.owner, owner)) continue
          if (held.some((each) => sameOwner(each.owner, lock.owner) && inTheWay(each, waiter.lock)))
            return true
          reach(held, waiter.lock)
        }
      }
    }
    return false
  }
}

/** The locks that are taken through one open file of the host. */
export class FileLocks implements Locks {
  readonly fd: number
  readonly #table: LockTable
  #key: string | undefined

  constructor(table: LockTable, fd: number) {
    this.fd = fd
    this.#table = table
  }

  /** Stands for the file as long as the descriptor is open. */
  get key(): string {
    if (this.#key === undefined) {
      const { dev, ino } = statx(this.fd)
      this.#key = `${dev}:${ino}`
    }
    return this.#key
  }

  lock(lock: Lock, wait: boolean): boolean | Deferred<boolean> {
    return this.#table.lock(this, lock, wait)
  }

  unlock(range: LockRange, owner: LockOwner): void {
    this.#table.unlock(this, range, owner)
  }

  conflict(lock: Lock): LockHolder | undefined {
    return this.#table.conflict(this, lock)
  }

  held(): readonly Lock[] {
    // Without a key, nothing was locked yet.
    return this.#key === undefined ? [] : this.#table.held(this)
  }

  close(): void {
    if (this.#key !== undefined) this.#table.close(this)
  }
}
