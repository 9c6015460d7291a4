import { ErrnoError, errno } from '../../sys/errno.ts'
import { close, discard, openat } from '../../sys/files.ts'
import { duplicate } from '../../sys/locks.ts'
import type { Later } from '../later.ts'

/** Holds a descriptor, and can open it again when it needs it. */
export interface Holder {
  /** Called before each {@link giveBack}: whether it can give the descriptor back now. */
  mayGiveBack(): boolean
  giveBack(): void
}

/** A holder without a descriptor. It gets one if it lives long enough. */
export interface Newcomer {
  /** Gets its descriptor. */
  settle(): void
}

/** How long a newcomer goes without a descriptor, in milliseconds. */
const SETTLE_AFTER = 10
/** How many newcomers there are at most. */
const NEWCOMERS = 1024
/** How many descriptors one request makes others give back at most, so that it does not take long. */
const RECLAIMED_MOST = 1024

const none: ReadonlySet<number> = new Set([errno.EMFILE, errno.ENFILE])

/**
 * The descriptors of one tree. A process has few of them, and a guest that caches many files uses many nodes.
 * So nodes give their descriptors back, the least recently used first (the clock algorithm: one bit for each
 * node, and a hand that goes round).
 */
export class Descriptors {
  readonly #limit: number
  readonly #later: Later
  /** Holders that may be asked to give back. The clock's hand is at the front. */
  readonly #holders = new Set<Holder>()
  #newcomers: Newcomer[] = []
  #count = 0

  /**
   * @param limit how many descriptors the tree may hold.
   * @param later runs newcomers' {@link Newcomer.settle}, see {@link expect}.
   */
  constructor(limit: number, later: Later) {
    this.#limit = limit
    this.#later = later
  }

  /** The number of open descriptors. */
  get count(): number {
    return this.#count
  }

  /**
   * openat(2). The descriptor counts as one of the tree's.
   *
   * @param directory a descriptor that its holder does not give back during the call.
   * @throws EMFILE when none is left, here or in the process, and no holder gives one back.
   */
  open(directory: number, name: string, flags: number, mode = 0): number {
    this.#makeRoom()
    let fd: number
    try {
      fd = openat(directory, name, flags, mode)
    } catch (error) {
      if (!(error instanceof ErrnoError) || !none.has(error.errno)) throw error
      // The process or the system has none left, so this tree has to do with fewer.
      const before = this.#count
      this.#reclaim(before - Math.min(RECLAIMED_MOST, before - (before >> 1)))
      if (this.#count === before) throw error
      fd = openat(directory, name, flags, mode)
    }
    this.#count++
    return fd
  }

  /** A duplicate of a descriptor, with the same open file description. @throws EMFILE when none is left. */
  duplicate(fd: number): number {
    this.#makeRoom()
    const second = duplicate(fd)
    this.#count++
    return second
  }

  /** Closes the descriptor of a file that was open for reading or writing. @throws as close(2). */
  close(fd: number): void {
    this.#count--
    close(fd)
  }

  /**
   * Closes a descriptor that nothing was written through, such as an O_PATH one: close(2) then has nothing to
   * report.
   */
  discard(fd: number): void {
    this.#count--
    discard(fd)
  }

  /** From now on this holder may be asked to give back. */
  add(holder: Holder): void {
    this.#holders.add(holder)
  }

  /** From now on this holder is not asked to give back. */
  delete(holder: Holder): void {
    this.#holders.delete(holder)
  }

  /**
   * Makes `newcomer` settle soon. Most nodes are released before that and never cost a descriptor: a client
   * looks a file up, asks for its attributes, and releases it.
   */
  expect(newcomer: Newcomer): void {
    if (this.#newcomers.push(newcomer) === 1) this.#later(SETTLE_AFTER, this.settle)
    else if (this.#newcomers.length === NEWCOMERS) this.settle()
  }

  /** Makes all newcomers settle now. */
  readonly settle = (): void => {
    const newcomers = this.#newcomers
    this.#newcomers = []
    for (const newcomer of newcomers) newcomer.settle()
  }

  /** Makes room for one more descriptor. */
  #makeRoom(): void {
    if (this.#count >= this.#limit) {
      this.#reclaim(this.#limit - Math.min(RECLAIMED_MOST, this.#limit >> 3))
    }
    if (this.#count >= this.#limit) throw new ErrnoError(errno.EMFILE, 'descriptors of the tree')
  }

  /** Makes holders give back, until no more than `goal` descriptors are open. */
  #reclaim(goal: number): void {
    // The hand passes each holder at most twice: the first time may only clear its bit.
    let looks = 2 * this.#holders.size
    for (const holder of this.#holders) {
      if (this.#count <= goal || looks-- === 0) return
      this.#holders.delete(holder)
      if (holder.mayGiveBack()) holder.giveBack()
      else this.#holders.add(holder)
    }
  }
}
