import { ErrnoError, errno } from '../../sys/errno.ts'
import { close, discard, openat } from '../../sys/files.ts'
import { duplicate } from '../../sys/locks.ts'
import type { Later } from '../later.ts'

/** A holder of a descriptor, who can open it again when it is needed. */
export interface Holder {
  /** Asked before each {@link giveBack}: whether now is a good time. */
  mayGiveBack(): boolean
  giveBack(): void
}

/** A holder without a descriptor, which gets one if it lives long enough. */
export interface Newcomer {
  /** Gets its descriptor now. */
  settle(): void
}

/** How long a newcomer goes without a descriptor, in milliseconds. */
const SETTLE_AFTER = 10
/** How many newcomers there are at most. */
const NEWCOMERS = 1024

const none: ReadonlySet<number> = new Set([errno.EMFILE, errno.ENFILE])

/**
 * The descriptors of one tree. A process has few of them, and a guest that caches what it has seen uses many
 * nodes: so nodes give theirs back, the least recently used first (the clock algorithm: a bit for each node,
 * and a hand that goes round).
 */
export class Descriptors {
  readonly #limit: number
  readonly #later: Later
  /** Holders that may be asked to give back; the clock's hand is at the front. */
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

  /** How many are open. */
  get count(): number {
    return this.#count
  }

  /**
   * openat(2), as one of the tree's descriptors.
   *
   * @param directory a descriptor that its holder does not give back during the call.
   * @throws EMFILE when there is none left, here or in the process, and no holder gives one back.
   */
  open(directory: number, name: string, flags: number, mode = 0): number {
    this.#makeRoom()
    let fd: number
    try {
      fd = openat(directory, name, flags, mode)
    } catch (error) {
      if (!(error instanceof ErrnoError) || !none.has(error.errno)) throw error
      // The process, or the system, has none left: fewer for this tree.
      const before = this.#count
      this.#reclaim(before >> 1)
      if (this.#count === before) throw error
      fd = openat(directory, name, flags, mode)
    }
    this.#count++
    return fd
  }

  /** One more descriptor of the same open file. @throws EMFILE when there is none left. */
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

  /** Closes a descriptor that was never written through, such as an O_PATH one: its close(2) has nothing to report. */
  discard(fd: number): void {
    this.#count--
    discard(fd)
  }

  /** This holder may be asked to give back, from now on. */
  add(holder: Holder): void {
    this.#holders.add(holder)
  }

  /** This holder is not asked any more. */
  delete(holder: Holder): void {
    this.#holders.delete(holder)
  }

  /**
   * Has `newcomer` settle soon. Most nodes are gone by then, without having cost a descriptor: a client
   * looks a file up, asks for its attributes, and lets go of it.
   */
  expect(newcomer: Newcomer): void {
    if (this.#newcomers.push(newcomer) === 1) this.#later(SETTLE_AFTER, this.settle)
    else if (this.#newcomers.length === NEWCOMERS) this.settle()
  }

  /** All newcomers settle now. */
  readonly settle = (): void => {
    const newcomers = this.#newcomers
    this.#newcomers = []
    for (const newcomer of newcomers) newcomer.settle()
  }

  /** Makes room for one more. */
  #makeRoom(): void {
    if (this.#count >= this.#limit) this.#reclaim(this.#limit - (this.#limit >> 3))
    if (this.#count >= this.#limit) throw new ErrnoError(errno.EMFILE, 'descriptors of the tree')
  }

  /** Asks holders to give back until no more than `goal` descriptors are open. */
  #reclaim(goal: number): void {
    // Each is passed twice at most: the first pass may only clear its bit.
    let looks = 2 * this.#holders.size
    for (const holder of this.#holders) {
      if (this.#count <= goal || looks-- === 0) return
      this.#holders.delete(holder)
      if (holder.mayGiveBack()) holder.giveBack()
      else this.#holders.add(holder)
    }
  }
}
