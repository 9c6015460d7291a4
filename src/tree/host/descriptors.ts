import { ErrnoError, errno } from '../../sys/errno.ts'
import { close, discard, openat } from '../../sys/files.ts'
import { duplicate } from '../../sys/locks.ts'
import type { Later } from '../later.ts'

/** Something that holds a descriptor and can open it again when it is needed. */
export interface Holder {
  /** Asked before each {@link giveBack}: whether now is a good time. */
  mayGiveBack(): boolean
  giveBack(): void
}

/** A holder that has no descriptor yet, and wants one if it lives long enough. */
export interface Newcomer {
  settle(): void
}

/** How long a newcomer goes without a descriptor, in milliseconds. */
const SETTLE_AFTER = 10
/** How many newcomers there are at most. */
const NEWCOMERS = 1024

const none: ReadonlySet<number> = new Set([errno.EMFILE, errno.ENFILE])

/**
 * The descriptors of one tree. A process has few of them, a guest that caches what it has seen has many
 * fids: so nodes give theirs back, the least recently used first (a clock: one bit for each, one hand).
 */
export class Descriptors {
  readonly #limit: number
  readonly #later: Later
  /** Who may be asked to give back; the clock's hand is at the front. */
  readonly #holders = new Set<Holder>()
  #newcomers: Newcomer[] = []
  #count = 0

  /**
   * @param limit how many descriptors the tree may hold.
   * @param later runs something soon, see {@link expect}.
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
   * @param directory a descriptor whose holder gives it back for nobody now.
   * @throws EMFILE when there is none left, neither here nor in the process, and nobody gives back.
   */
  open(directory: number, name: string, flags: number, mode = 0): number {
    this.#makeRoom()
    let fd: number
    try {
      fd = openat(directory, name, flags, mode)
    } catch (error) {
      if (!(error instanceof ErrnoError) || !none.has(error.errno)) throw error
      // Others of this process, or of the system, need them more.
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

  /** Closes one that was given out for a file to be read or written. @throws as close(2). */
  close(fd: number): void {
    this.#count--
    close(fd)
  }

  /** Closes one that was never written through, such as an O_PATH one: it has nothing to report. */
  discard(fd: number): void {
    this.#count--
    discard(fd)
  }

  /** From now on this holder may be asked to give back. */
  add(holder: Holder): void {
    this.#holders.add(holder)
  }

  /** And from now on no more. */
  delete(holder: Holder): void {
    this.#holders.delete(holder)
  }

  /**
   * Has `newcomer` settle soon. Most nodes are gone by then: a client walks, asks once, and clunks,
   * and has not cost a descriptor.
   */
  expect(newcomer: Newcomer): void {
    if (this.#newcomers.push(newcomer) === 1) this.#later(SETTLE_AFTER, this.settle)
    else if (this.#newcomers.length === NEWCOMERS) this.settle()
  }

  /** Everybody who is expected settles now. */
  readonly settle = (): void => {
    const newcomers = this.#newcomers
    this.#newcomers = []
    for (const newcomer of newcomers) newcomer.settle()
  }

  /** For one more. */
  #makeRoom(): void {
    if (this.#count >= this.#limit) this.#reclaim(this.#limit - (this.#limit >> 3))
    if (this.#count >= this.#limit) throw new ErrnoError(errno.EMFILE, 'descriptors of the tree')
  }

  /** Asks holders to give back until no more than `goal` descriptors are open. */
  #reclaim(goal: number): void {
    // Each is passed twice at most: the first time may only take its bit away.
    let looks = 2 * this.#holders.size
    for (const holder of this.#holders) {
      if (this.#count <= goal || looks-- === 0) return
      this.#holders.delete(holder)
      if (holder.mayGiveBack()) holder.giveBack()
      else this.#holders.add(holder)
    }
  }
}
