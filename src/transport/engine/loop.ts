import { POLLIN, POLLOUT, PollSet } from '../../libc/poll.ts'
import type { Later } from '../../tree/timers.ts'
import { Timers } from './timers.ts'

/** Something that a {@link Loop} watches. It owns its descriptor. */
export interface Watched {
  readonly fd: number
  /** What to wake it for. */
  readonly waitsFor: 'read' | 'write' | 'nothing'
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

/** How long an engine looks for work before it sleeps, in microseconds. */
const LOOK_US = 50

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
    const set = new PollSet()
    let round: readonly Watched[] = []
    while (this.#running) {
      if (this.#changed) {
        round = [...this.#watched]
        this.#polled = round.flatMap(({ polled }) => polled ?? [])
      }
      this.#changed = false
      const sleeps = this.#polled.length === 0 || this.#lookAround()
      set.clear()
      for (const { fd, waitsFor } of round) {
        // poll(2) passes over a negative descriptor.
        if (waitsFor === 'nothing') set.add(-1, 0)
        else set.add(fd, waitsFor === 'read' ? POLLIN : POLLOUT)
      }
      if (set.wait(sleeps ? -1 : 0) > 0) this.#serve(round, set)
    }
  }

  #serve(round: readonly Watched[], set: PollSet): void {
    let index = 0
    for (const watched of round) {
      // An earlier one of this round may have removed it.
      if (set.happened(index++) !== 0 && this.#watched.has(watched)) watched.ready()
    }
  }

  /**
   * Does what work shows in memory, until there has been none for a while or others must have their turn.
   *
   * @returns whether there is nothing to do: everybody says so from now on if that changes.
   */
  #lookAround(): boolean {
    for (const polled of this.#polled) polled.stopListening()
    let shares = 0
    let idleSince = -1
    for (let looks = 1; ; looks++) {
      let found = false
      for (const polled of this.#polled) {
        if (polled.look()) found = true
      }
      if (found) {
        idleSince = -1
        // What was removed meanwhile must not be looked at.
        if (++shares >= SHARES || this.#changed) return false
        looks = 0
      } else if (looks % LOOKS === 0 || idleSince < 0) {
        const now = performance.now()
        if (idleSince < 0) idleSince = now
        else if (now - idleSince > LOOK_US / 1000) break
      }
    }
    let hasWork = false
    for (const polled of this.#polled) {
      if (polled.listen()) hasWork = true
    }
    return !hasWork
  }

  /** Closes everything that is watched. */
  close(): void {
    for (const watched of this.#watched) this.remove(watched)
  }
}
