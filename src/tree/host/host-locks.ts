import { ErrnoError, errno } from '../../sys/errno.ts'
import { ofdConflict } from '../../sys/locks.ts'
import { statx } from '../../sys/statx.ts'
import { Deferred } from '../deferred.ts'
import type { Later } from '../later.ts'
import type { Lock, LockHolder, LockOwner, LockRange, Locks } from '../locks.ts'
import { Anchor } from './anchor.ts'
import type { Descriptors } from './descriptors.ts'
import { type HostSide, type LockScope, unseen } from './unseen-locks.ts'
import {
  type Change,
  type HeldList,
  changed,
  inTheWay,
  sameOwner,
  strongest,
} from './lock-ranges.ts'

/**
 * The pause before the next try of a lock that a guest waits for and a program of the host holds, in
 * milliseconds.
 */
const RETRY_MS = 20

/**
 * How long a request for a lock waits before the answer is BLOCKED, in milliseconds. While Linux's client
 * waits for an answer, only a fatal signal ends the wait (p9_client_rpc). Between two requests a signal
 * handler can run, such as that of an alarm.
 */
const WAIT_MS = 30_000

/** The most steps of a search for a deadlock. A longer search is given up, and the request waits. */
const SEARCH_STEPS = 100_000

interface Waiter {
  readonly lock: Lock
  readonly through: FileLocks
  readonly deferred: Deferred<boolean>
  /** Stops the clock of {@link WAIT_MS}. */
  readonly stop: () => void
}

/** The locks of one file, and the requests that wait for one. */
interface LockedFile {
  held: HeldList
  /** In the order in which they came. */
  readonly waiting: Waiter[]
  /** Exists as long as a lock is held or waited for. */
  anchor: HostSide | null
  /** Whether a request waits for a lock that a program of the host holds. */
  hostInTheWay: boolean
}

/**
 * The locked ranges of a tree's files, in one table for all sessions. This table keeps clients apart; the
 * host's programs see them through one {@link Anchor} for each file.
 *
 * A lock belongs to its owner, not to an open file: a process of a guest may unlock it through another open
 * file. But it also ends when the open file is closed through which it was taken.
 */
export class LockTable {
  readonly #files = new Map<string, LockedFile>()
  readonly #descriptors: Descriptors
  readonly #self: number
  readonly #writable: boolean
  readonly #scope: LockScope
  readonly #later: Later
  #retrying = false

  /** @param self /proc/self/fd, see policy.ts. */
  constructor(
    descriptors: Descriptors,
    self: number,
    readOnly: boolean,
    later: Later,
    scope: LockScope = 'host',
  ) {
    this.#scope = scope
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
        // A write lock may have become a read lock.
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
    // Often there is none: Linux's client unlocks for every process that closes a file with locks.
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
    if (this.#scope === 'guests') return undefined
    const found = file?.anchor
      ? file.anchor.conflict(lock.type, lock)
      : ofdConflict(through.fd, lock.type, lock)
    // The host's process ids mean nothing to a guest.
    return found && { ...found, procId: 0, clientId: '' }
  }

  /** See Locks.held. */
  held(through: FileLocks): readonly Lock[] {
    const held = this.#files.get(through.key)?.held ?? []
    return held.filter((each) => each.through === through)
  }

  /** The open file is about to be closed. Its locks end, and requests that wait through it get EBADF. */
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
      // Also after the host has refused a change: others may wait for these ranges.
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

  /** Grants a lock, or returns the lock that conflicts with it: one of this table, or one of the host. */
  #try(file: LockedFile, lock: Lock, through: FileLocks): 'granted' | 'others' | 'host' {
    if (file.held.some((held) => inTheWay(held, lock))) return 'others'
    const next = this.#after(file, { ...lock, through })
    file.anchor ??= this.#hostSide(through)
    if (lock.type === 'write') file.anchor.prepareToWrite(through.fd, file.held)
    // Other owners have at most read locks in the range, and they have any only if the new lock is a read
    // lock. So the new lock is the strongest lock of each byte.
    if (!file.anchor.set(lock.type, lock)) return 'host'
    this.#commit(file, lock.owner, next)
    return 'granted'
  }

  #hostSide({ fd }: FileLocks): HostSide {
    if (this.#scope === 'guests') return unseen
    return new Anchor(fd, this.#descriptors, this.#self, this.#writable)
  }

  /** @throws ENOLCK when the owner's client would hold too many ranges. */
  #after(file: LockedFile, change: Change): HeldList {
    const next = changed(file.held, change)
    const more = next.length - file.held.length
    const { client } = change.owner
    if (more > 0 && client.held + more > client.most) throw client.refusal()
    return next
  }

  /** A change concerns only the ranges of one owner. */
  #commit(file: LockedFile, { client }: LockOwner, next: HeldList): void {
    client.held += next.length - file.held.length
    file.held = next
  }

  /** Shows the strongest locks of `left` in this range to the host's programs. */
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

  /** Grants the locks that have become free to the requests that wait, in their order. */
  #serve(key: string, file: LockedFile): void {
    let granted: boolean
    do {
      granted = false
      file.hostInTheWay = false
      for (const waiter of file.waiting.slice()) granted = this.#retry(file, waiter) || granted
      // The owner of a read lock that was just granted may have had a write lock there, which a request
      // before it waits for.
    } while (granted && file.waiting.length > 0)
    this.#forgetIfUnused(key, file)
  }

  /** Tries a request that waits once more. @returns whether it was granted. */
  #retry(file: LockedFile, waiter: Waiter): boolean {
    // The client may have ended while others were answered.
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

  /** Whether the owner of `lock` would wait for itself, through other owners that wait: a deadlock. */
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
    // The list grows during the loop.
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

  /** Identifies the file while the descriptor is open. */
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
    // Without a key, nothing was ever locked through this file.
    return this.#key === undefined ? [] : this.#table.held(this)
  }

  close(): void {
    if (this.#key !== undefined) this.#table.close(this)
  }
}
