import { ErrnoError, errno } from '../../sys/errno.ts'
import { ofdConflict } from '../../sys/locks.ts'
import { statx } from '../../sys/statx.ts'
import { Deferred } from '../deferred.ts'
import type { Later } from '../later.ts'
import type { Lock, LockHolder, LockOwner, LockRange, Locks } from '../locks.ts'
import { Anchor, around } from './anchor.ts'
import { type Wish, isDeadlock } from './deadlock.ts'
import type { Descriptors } from './descriptors.ts'
import { Work } from './interval-tree.ts'
import { type Change, FileRanges, type Plan, keyOf } from './lock-ranges.ts'
import { type HostSide, type LockScope, unseen } from './unseen-locks.ts'

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

/**
 * How many steps of work (interval-tree.ts) are done at once for others than the client that asks: granting
 * locks that have become free, and showing the host what has become free. The rest is done later, a piece at
 * a time. A piece takes one or two milliseconds.
 */
const PIECE_STEPS = 20_000

/**
 * With so many ranges, the host is shown later what the closing of an open file has unlocked. A client may
 * close very many files at once, and each call takes time in proportion to the ranges.
 */
const MANY_RANGES = 256

interface Waiter extends Wish {
  readonly through: FileLocks
  readonly file: LockedFile
  readonly deferred: Deferred<boolean>
  /** Stops the clock of {@link WAIT_MS}. */
  readonly stop: () => void
}

/** The locks of one file, and the requests that wait for one. */
interface LockedFile {
  readonly key: string
  readonly ranges: FileRanges
  /** In the order in which they came. */
  readonly waiting: Set<Waiter>
  /** Those of them that wait for a lock that a program of the host holds. */
  readonly waitingForHost: Set<Waiter>
  /** Exists as long as a lock is held or waited for. */
  anchor: HostSide | null
  /** Where the granting of locks has come to, and the range in which locks have become free. */
  granting: { readonly order: Iterator<Waiter>; readonly freed: LockRange } | null
  /** The range in which locks have become free since it began. */
  freed: LockRange | null
}

/**
 * The locked ranges of a tree's files, in one table for all sessions. This table keeps clients apart; the
 * host's programs see them through one {@link Anchor} for each file.
 *
 * A lock belongs to its owner, not to an open file: a process of a guest may unlock it through another open
 * file. But it also ends when the open file is closed through which it was taken.
 *
 * No request takes long, however many locks there are: what it asks for itself costs as many steps as it
 * concerns ranges of its own, times a logarithm. What follows from it for others is done in pieces.
 */
export class LockTable {
  /** The steps that were taken so far, for tests. */
  readonly work = new Work()
  readonly #files = new Map<string, LockedFile>()
  /** The requests that wait, by the key of their owner. */
  readonly #waiting = new Map<string, Set<Waiter>>()
  /** The files for which work is left to do later. */
  readonly #unfinished = new Set<LockedFile>()
  /** The files with requests that wait for a program of the host. */
  readonly #waitForHost = new Set<LockedFile>()
  readonly #descriptors: Descriptors
  readonly #self: number
  readonly #writable: boolean
  readonly #scope: LockScope
  readonly #later: Later
  #isScheduled = false
  #asksHost = false

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
    const key = keyOf(lock.owner)
    try {
      const found = this.#try(file, key, lock, through)
      if (found === 'granted') {
        this.#goOn(file)
        return true
      }
      if (!wait) return false
      if (isDeadlock({ lock, key, ranges: file.ranges }, this.#waiting, this.work)) {
        throw new ErrnoError(errno.EDEADLK, 'lock')
      }
      const waiter = this.#wait(file, key, lock, through)
      if (found === 'host') this.#askHostLater(waiter)
      return waiter.deferred
    } finally {
      this.#forgetIfUnused(file)
    }
  }

  /** See Locks.unlock. */
  unlock(through: FileLocks, range: LockRange, owner: LockOwner): void {
    const file = this.#files.get(through.key)
    const { start, end } = range
    const key = keyOf(owner)
    // Often there is none: Linux's client unlocks for every process that closes a file with locks.
    if (file === undefined || !file.ranges.holds(key, range)) return
    const plan = this.#plan(file, key, { start, end, owner, type: null, through })
    file.ranges.apply(plan)
    try {
      file.anchor?.stale(range)
      this.#show(file)
    } catch (error) {
      file.ranges.revert(plan)
      // A part of it may have been shown.
      file.anchor?.stale(range)
      this.#finishLater(file)
      throw error
    }
    this.#free(file, range)
    this.#goOn(file)
  }

  /** See Locks.conflict. */
  conflict(through: FileLocks, lock: Lock): LockHolder | undefined {
    const file = this.#files.get(through.key)
    const first = file?.ranges.conflict(keyOf(lock.owner), lock)
    if (first !== undefined) {
      const { type, start, end, owner } = first
      const { procId, clientId, pid = procId } = owner
      return { type, start, end, procId, clientId, pid }
    }
    if (this.#scope === 'guests') return undefined
    const found = file?.anchor
      ? file.anchor.conflict(lock.type, lock)
      : ofdConflict(through.fd, lock.type, lock)
    // The host's process ids mean nothing to a guest.
    return found && { ...found, procId: 0, clientId: '', pid: 0 }
  }

  /** See Locks.held. */
  held(through: FileLocks): readonly Lock[] {
    return [...(this.#files.get(through.key)?.ranges.through(through) ?? [])]
  }

  /** The open file is about to be closed. Its locks end, and requests that wait through it get EBADF. */
  close(through: FileLocks): void {
    const file = this.#files.get(through.key)
    if (file === undefined) return
    for (const waiter of through.waiting) {
      this.#remove(waiter)
      waiter.deferred.reject(new ErrnoError(errno.EBADF, 'the file was closed'))
    }
    const range = file.ranges.close(through)
    try {
      if (range === undefined) return
      this.#free(file, range)
      if (file.ranges.size === 0 && file.waiting.size === 0) return
      file.anchor?.stale(range)
      if (file.ranges.size <= MANY_RANGES) this.#show(file)
    } finally {
      // Also after the host has refused a change: others may wait for these ranges.
      this.#goOn(file)
    }
  }

  #add(key: string): LockedFile {
    const file: LockedFile = {
      key,
      ranges: new FileRanges(this.work),
      waiting: new Set(),
      waitingForHost: new Set(),
      anchor: null,
      granting: null,
      freed: null,
    }
    this.#files.set(key, file)
    return file
  }

  #forgetIfUnused(file: LockedFile): void {
    if (file.ranges.size > 0 || file.waiting.size > 0) return
    // By now another one may stand for the same file.
    if (this.#files.get(file.key) === file) this.#files.delete(file.key)
    this.#unfinished.delete(file)
    file.anchor?.close()
    file.anchor = null
  }

  /** Grants a lock, or returns the lock that conflicts with it: one of this table, or one of the host. */
  #try(
    file: LockedFile,
    key: string,
    lock: Lock,
    through: FileLocks,
  ): 'granted' | 'others' | 'host' {
    const { ranges } = file
    if (ranges.conflict(key, lock) !== undefined) return 'others'
    const plan = this.#plan(file, key, { ...lock, through })
    file.anchor ??= this.#hostSide(through, ranges)
    if (lock.type === 'write') file.anchor.prepareToWrite(through.fd)
    // Other owners have at most read locks in the range, and they have any only if the new lock is a read
    // lock. So the new lock is the strongest lock of each byte.
    if (!file.anchor.set(lock.type, lock)) return 'host'
    ranges.apply(plan)
    // A write lock may have become a read lock.
    if (plan.weakens) this.#free(file, lock)
    return 'granted'
  }

  #hostSide({ fd }: FileLocks, ranges: FileRanges): HostSide {
    if (this.#scope === 'guests') return unseen
    return new Anchor(fd, this.#descriptors, this.#self, this.#writable, ranges, this.work)
  }

  /** @throws ENOLCK when the owner's client would hold too many ranges. */
  #plan({ ranges }: LockedFile, key: string, change: Change): Plan {
    const plan = ranges.plan(key, change)
    const { client } = change.owner
    if (plan.more > 0 && client.held + plan.more > client.most) throw client.refusal()
    return plan
  }

  #wait(file: LockedFile, key: string, lock: Lock, through: FileLocks): Waiter {
    const end = (): void => {
      this.#remove(waiter)
      this.#forgetIfUnused(file)
    }
    const deferred = new Deferred<boolean>(end)
    const stop = this.#later(WAIT_MS, () => {
      end()
      deferred.resolve(false)
    })
    const { ranges } = file
    const waiter: Waiter = { lock, key, ranges, through, file, deferred, stop }
    file.waiting.add(waiter)
    through.waiting.add(waiter)
    const others = this.#waiting.get(key)
    if (others === undefined) this.#waiting.set(key, new Set([waiter]))
    else others.add(waiter)
    return waiter
  }

  #remove(waiter: Waiter): void {
    const { file, through, key } = waiter
    waiter.stop()
    file.waiting.delete(waiter)
    file.waitingForHost.delete(waiter)
    if (file.waitingForHost.size === 0) this.#waitForHost.delete(file)
    through.waiting.delete(waiter)
    const others = this.#waiting.get(key)
    others?.delete(waiter)
    if (others?.size === 0) this.#waiting.delete(key)
  }

  /** Locks in this range have become free, or weaker. */
  #free(file: LockedFile, range: LockRange): void {
    file.freed = file.freed === null ? range : around(file.freed, range)
  }

  /** Shows the host what is free. @throws ErrnoError where it refuses. */
  #show(file: LockedFile): void {
    const isDone = file.anchor?.catchUp(this.work.steps + PIECE_STEPS) ?? true
    if (!isDone) this.#finishLater(file)
  }

  /** Grants what has become free to the requests that wait. */
  #goOn(file: LockedFile): void {
    const isDone = this.#grant(file, this.work.steps + PIECE_STEPS)
    if (!isDone || file.anchor?.isStale === true) this.#finishLater(file)
    this.#forgetIfUnused(file)
  }

  /**
   * Grants the locks that have become free to the requests that wait, in their order.
   *
   * @param until the count of steps at which it stops.
   * @returns whether all requests were tried that wait for what has become free.
   */
  #grant(file: LockedFile, until: number): boolean {
    for (;;) {
      if (file.granting === null) {
        if (file.freed === null) return true
        file.granting = { order: file.waiting.values(), freed: file.freed }
        file.freed = null
      }
      const { order, freed } = file.granting
      for (;;) {
        if (this.work.steps >= until) return false
        // The client may have ended while others were answered. The order then leaves its requests out.
        const next = order.next()
        if (next.done === true) break
        this.work.steps++
        const { lock } = next.value
        if (lock.start <= freed.end && lock.end >= freed.start) this.#retry(next.value)
      }
      // The owner of a read lock that was just granted may have had a write lock there, which a request
      // before it waits for.
      if (file.granting?.order === order) file.granting = null
    }
  }

  /** Tries a request that waits once more. */
  #retry(waiter: Waiter): void {
    const { file, key, lock, through, deferred } = waiter
    try {
      const found = this.#try(file, key, lock, through)
      if (found === 'host') this.#askHostLater(waiter)
      else file.waitingForHost.delete(waiter)
      if (found !== 'granted') return
    } catch (error) {
      this.#remove(waiter)
      deferred.reject(error)
      return
    }
    this.#remove(waiter)
    deferred.resolve(true)
  }

  /** Goes on with what is left to do for this file when others have had their turn. */
  #finishLater(file: LockedFile): void {
    this.#unfinished.add(file)
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#later(0, this.#finish)
  }

  /** Does a piece of what is left to do. */
  readonly #finish = (): void => {
    this.#isScheduled = false
    const until = this.work.steps + PIECE_STEPS
    for (const file of this.#unfinished) {
      this.#unfinished.delete(file)
      const isGranted = this.#grant(file, until)
      if (!this.#showLate(file, until) || !isGranted) this.#finishLater(file)
      this.#forgetIfUnused(file)
      if (this.work.steps >= until) break
    }
    const [next] = this.#unfinished
    if (next !== undefined) this.#finishLater(next)
  }

  /** @returns whether nothing is left to do at once. */
  #showLate(file: LockedFile, until: number): boolean {
    try {
      return file.anchor?.catchUp(until) ?? true
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error
      // The kernel has no memory for a lock (ENOLCK). No request is left that could be told.
      this.#later(RETRY_MS, () => this.#finishLater(file))
      return true
    }
  }

  #askHostLater(waiter: Waiter): void {
    waiter.file.waitingForHost.add(waiter)
    this.#waitForHost.add(waiter.file)
    if (this.#asksHost) return
    this.#asksHost = true
    this.#later(RETRY_MS, this.#askHost)
  }

  /** Tries requests that wait for the host: one piece of them, and the next ones after the next pause. */
  readonly #askHost = (): void => {
    this.#asksHost = false
    const until = this.work.steps + PIECE_STEPS
    const isOver = (): boolean => this.work.steps >= until
    // Each file and each request moves to the end of its set when it has had its turn.
    for (let files = this.#waitForHost.size; files > 0 && !isOver(); files--) {
      const [file] = this.#waitForHost
      if (file === undefined) break
      this.#waitForHost.delete(file)
      for (let waiters = file.waitingForHost.size; waiters > 0 && !isOver(); waiters--) {
        const [waiter] = file.waitingForHost
        if (waiter === undefined) break
        file.waitingForHost.delete(waiter)
        this.work.steps++
        this.#retry(waiter)
      }
      if (file.waitingForHost.size > 0) this.#waitForHost.add(file)
      this.#goOn(file)
    }
    const [file] = this.#waitForHost
    const [waiter] = file?.waitingForHost ?? []
    if (waiter !== undefined) this.#askHostLater(waiter)
  }
}

/** The locks that are taken through one open file of the host. */
export class FileLocks implements Locks {
  readonly fd: number
  /** The requests that wait through this open file. */
  readonly waiting = new Set<Waiter>()
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
