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
}

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
      if (this.#changed) round = [...this.#watched]
      this.#changed = false
      set.clear()
      for (const { fd, waitsFor } of round) {
        // poll(2) passes over a negative descriptor.
        if (waitsFor === 'nothing') set.add(-1, 0)
        else set.add(fd, waitsFor === 'read' ? POLLIN : POLLOUT)
      }
      set.wait(-1)
      let index = 0
      for (const watched of round) {
        // An earlier one of this round may have removed it.
        if (set.happened(index++) !== 0 && this.#watched.has(watched)) watched.ready()
      }
    }
  }

  /** Closes everything that is watched. */
  close(): void {
    for (const watched of this.#watched) this.remove(watched)
  }
}
