import { POLLIN, POLLOUT, PollSet } from '../sys/poll.ts'
import type { Later } from '../tree/later.ts'
import { Patience } from './busy-poll.ts'
import { Timers } from './timers.ts'

/** What something is to be woken for. */
export type Readiness = 'read' | 'write' | 'both' | 'nothing'

/** Something that a {@link Loop} watches. It owns its descriptor. */
export interface Watched {
  readonly fd: number
  readonly waitsFor: Readiness
  /** The descriptor is ready for what it waits for, or has failed. */
  ready(): void
  close(): void
  /** Set where work shows in memory, before the descriptor says so or without its saying so. */
  readonly polled?: Polled
}

/** Where work can be seen without a system call. */
export interface Polled {
  /** Does what there is to do, a share of it at a time. @returns whether there was anything. */
  look(): boolean
  /**
   * From now on the descriptor says when there is work.
   *
   * @returns whether there is some already, of which it may not say anything.
   */
  listen(): boolean
  /** From now on somebody looks, and the descriptor need not say anything. */
  stopListening(): void
}

/** How often it looks before it looks at the clock, which takes as long as some looks do. */
const LOOKS = 16

/** How many shares of work are done before those who wait for their descriptor have their turn. */
const SHARES = 64

/**
 * The poll(2) loop of an engine thread: all work of a share happens inside {@link Loop.run}. It owns
 * what it watches.
 */
export class Loop {
  readonly #watched = new Set<Watched>()
  /** Whether {@link #watched} is another than in the round before. */
  #changed = false
  #running = true
  readonly #timers = new Timers()
  readonly #patience = new Patience()
  readonly #set = new PollSet()
  /** What {@link #set} is about, in its order. */
  #round: readonly Watched[] = []
  #polled: readonly Polled[] = []

  constructor() {
    this.add(this.#timers)
  }

  add(watched: Watched): void {
    this.#watched.add(watched)
    this.#changed = true
  }

  remove(watched: Watched): void {
    if (!this.#watched.delete(watched)) return
    this.#changed = true
    watched.close()
  }

  /** Runs actions later, between two events. */
  get later(): Later {
    return this.#timers.later
  }

  /** Makes {@link run} return once the present round is over. */
  stop(): void {
    this.#running = false
  }

  /** Serves until {@link stop}. */
  run(): void {
    while (this.#running) {
      if (this.#changed) this.#take()
      const isIdle = this.#lookAround() && !this.#changed
      this.#fill()
      if (!isIdle) this.#serve(this.#set.wait(0))
      else if (!this.#lookAtDescriptors()) this.#serve(this.#sleep())
    }
  }

  /** What is watched from now on. */
  #take(): void {
    this.#round = [...this.#watched]
    this.#polled = this.#round.flatMap(({ polled }) => polled ?? [])
    this.#changed = false
  }

  /** What poll(2) is to be asked. */
  #fill(): void {
    const set = this.#set
    set.clear()
    for (const { fd, waitsFor } of this.#round) {
      // poll(2) passes over a negative descriptor.
      if (waitsFor === 'nothing') set.add(-1, 0)
      else if (waitsFor === 'both') set.add(fd, POLLIN | POLLOUT)
      else set.add(fd, waitsFor === 'read' ? POLLIN : POLLOUT)
    }
  }

  /** @returns how many descriptors are ready, as soon as there are any. */
  #sleep(): number {
    const start = performance.now()
    const ready = this.#set.wait(-1)
    this.#patience.slept((performance.now() - start) * 1000)
    return ready
  }

  /** Serves the descriptors that are ready. @returns whether there are any. */
  #serve(ready: number): boolean {
    if (ready === 0) return false
    let index = 0
    for (const watched of this.#round) {
      // An earlier one of this round may have removed it.
      if (this.#set.happened(index++) !== 0 && this.#watched.has(watched)) watched.ready()
    }
    return true
  }

  /**
   * Does what work shows in memory, until there has been none for a while or others must have their turn.
   *
   * @returns whether there is nothing to do: everybody says so from now on if that changes.
   */
  #lookAround(): boolean {
    const polled = this.#polled
    if (polled.length === 0) return true
    for (const each of polled) each.stopListening()
    let shares = 0
    while (this.#lookUntilFound(this.#lookAtMemory)) {
      // What was removed meanwhile must not be looked at.
      if (++shares >= SHARES || this.#changed) return false
    }
    let hasWork = false
    for (const each of polled) {
      if (each.listen()) hasWork = true
    }
    return !hasWork
  }

  /** A share of work for each that has any. */
  readonly #lookAtMemory = (): boolean => {
    let found = false
    for (const polled of this.#polled) {
      if (polled.look()) found = true
    }
    return found
  }

  /** The same for descriptors, where nothing shows in memory. @returns whether any was served. */
  #lookAtDescriptors(): boolean {
    const looks = this.#polled.length === 0 && this.#patience.microseconds > 0
    return looks && this.#lookUntilFound(() => this.#serve(this.#set.wait(0)))
  }

  /** Looks for something to do for as long as that pays. @returns whether there was anything. */
  #lookUntilFound(look: () => boolean): boolean {
    const { microseconds } = this.#patience
    if (look()) return true
    if (microseconds === 0) return false
    const end = performance.now() + microseconds / 1000
    for (let looks = 1; ; looks++) {
      if (look()) {
        this.#patience.paid()
        return true
      }
      if (looks % LOOKS === 0 && performance.now() > end) return false
    }
  }

  /** Closes everything that is watched. */
  close(): void {
    for (const watched of this.#watched) this.remove(watched)
  }
}
