import { ErrnoError, errno } from '../../sys/errno.ts'
import { ofdConflict } from '../../sys/locks.ts'
import { statx } from '../../sys/statx.ts'
import { Deferred } from '../deferred.ts'
import type { Later } from '../later.ts'
import type { Lock, LockHolder, LockOwner, LockRange } from '../tree.ts'
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

/** How often a program of the host is asked for a lock that somebody waits for, in milliseconds. */
const RETRY_MS = 20

/**
 * How long somebody is kept waiting before the answer is "ask again", in milliseconds. While it waits
 * for the answer, Linux's client lets no signal but a fatal one through (p9_client_rpc); between two
 * requests a handler such as that of an alarm gets its turn.
 */
const PATIENCE_MS = 30_000

/** Most steps of one search for a deadlock; a longer one is left to its participants. */
const SEARCH_STEPS = 100_000

interface Waiter {
  readonly lock: Lock
  readonly through: FileLocks
  readonly deferred: Deferred<boolean>
  /** Calls its patience off. */
  readonly stop: () => void
}

/** All that is locked of one file, and who waits for it. */
interface LockedFile {
  held: HeldList
  /** In the order of asking. */
  readonly waiting: Waiter[]
  /** From the first lock on until nobody holds or wants any. */
  anchor: Anchor | null
  /** Whether somebody waits for a program of the host. */
  hostInTheWay: boolean
}

/**
 * Who holds which ranges of a tree's files: one table for all sessions, so that clients are kept apart
 * here, in memory. The host's programs see them through one {@link Anchor} for each file.
 *
 * A lock is its owner's, whichever file it was taken through: a process of a guest may give it back
 * through another. It also goes when the file goes that it was taken through.
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

  /** See OpenFile.lock. */
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

  /** See OpenFile.unlock. */
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

  /** See OpenFile.getlock. */
  getlock(through: FileLocks, lock: Lock): LockHolder | undefined {
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
    // A guest has no use for the numbers of the host's processes.
    return found && { ...found, procId: 0, clientId: '' }
  }

  /** See OpenFile.locks. */
  held(through: FileLocks): readonly Lock[] {
    const held = this.#files.get(through.key)?.held ?? []
    return held.filter((each) => each.through === through)
  }

  /** The file is about to be closed: its locks go, and who waits through it gets EBADF. */
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
      // Whatever the host says of it, others have been waiting for this.
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

  /** Grants a lock, or says who is in the way: others of this table, or the host. */
  #try(file: LockedFile, lock: Lock, through: FileLocks): 'granted' | 'others' | 'host' {
    if (file.held.some((held) => inTheWay(held, lock))) return 'others'
    const next = this.#after(file, { ...lock, through })
    file.anchor ??= new Anchor(through.fd, this.#descriptors, this.#self, this.#writable)
    if (lock.type === 'write') file.anchor.prepareToWrite(through.fd, file.held)
    // Nobody else has more than a read lock in the range, and that only where one is wanted: so the
    // strongest lock of each byte will be this one.
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

  /** What `left` has of a range is what the host's programs see. */
  #tellHost(file: LockedFile, left: HeldList, range: LockRange): void {
    for (const { type, ...part } of strongest(left, range)) file.anchor?.set(type, part)
  }

  #wait(file: LockedFile, lock: Lock, through: FileLocks): Deferred<boolean> {
    const deferred = new Deferred<boolean>(() => {
      this.#remove(file, waiter)
      this.#forgetIfUnused(through.key, file)
    })
    const stop = this.#later(PATIENCE_MS, () => {
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

  /** Grants what has become possible to those who wait, in their order. */
  #serve(key: string, file: LockedFile): void {
    let granted: boolean
    do {
      granted = false
      file.hostInTheWay = false
      for (const waiter of file.waiting.slice()) granted = this.#retry(file, waiter) || granted
      // Who was granted a read lock may have had a write lock there, in the way of an earlier one.
    } while (granted && file.waiting.length > 0)
    this.#forgetIfUnused(key, file)
  }

  /** @returns whether it waits no longer because it was granted. */
  #retry(file: LockedFile, waiter: Waiter): boolean {
    // Its client may have gone while others were answered.
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

  /** Whether the owner of `lock` would wait for somebody who waits, maybe through others, for it. */
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
export class FileLocks {
  readonly fd: number
  /** Stands for the file as long as the descriptor is open. */
  readonly key: string
  readonly #table: LockTable

  constructor(table: LockTable, fd: number) {
    const { dev, ino } = statx(fd)
    this.fd = fd
    this.key = `${dev}:${ino}`
    this.#table = table
  }

  lock(lock: Lock, wait: boolean): boolean | Deferred<boolean> {
    return this.#table.lock(this, lock, wait)
  }

  unlock(range: LockRange, owner: LockOwner): void {
    this.#table.unlock(this, range, owner)
  }

  getlock(lock: Lock): LockHolder | undefined {
    return this.#table.getlock(this, lock)
  }

  held(): readonly Lock[] {
    return this.#table.held(this)
  }

  close(): void {
    this.#table.close(this)
  }
}
