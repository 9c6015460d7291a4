import { POLLIN, POLLOUT, PollSet } from '../sys/poll.ts'
import type { EventLoop, Polled, Watched } from '../transport/event-loop.ts'
import type { Later } from '../tree/later.ts'
import { BusyPollTime } from './busy-poll.ts'
import { Timers } from './timers.ts'

/** The number of polls between two looks at the clock. One look takes as long as some polls. */
const POLLS_PER_CLOCK = 16

/** How many times in a row polled work is done before the work of descriptors has its turn. */
const SHARES = 64

/** The poll(2) loop of an engine thread. Everything that serves a share runs inside of {@link Loop.run}. */
export class Loop implements EventLoop {
  readonly #watched = new Set<Watched>()
  /** Whether {@link #watched} has changed since the round began. */
  #changed = false
  #running = true
  readonly #timers = new Timers()
  readonly #busyPoll = new BusyPollTime()
  readonly #set = new PollSet()
  /** The watched items whose descriptors are in {@link #set}, in the same order. */
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

  /** Makes {@link run} return at the end of the present round. */
  stop(): void {
    this.#running = false
  }

  /** Serves until {@link stop}. */
  run(): void {
    while (this.#running) {
      if (this.#changed) this.#beginRound()
      const isIdle = this.#pollMemory() && !this.#changed
      this.#fillSet()
      if (!isIdle) this.#serve(this.#set.wait(0))
      else if (!this.#busyPollDescriptors()) this.#serve(this.#sleep())
    }
  }

  /** Takes over the changes of what is watched. */
  #beginRound(): void {
    this.#round = [...this.#watched]
    this.#polled = this.#round.flatMap(({ polled }) => polled ?? [])
    this.#changed = false
  }

  /** Fills in the events that poll(2) is to wait for. */
  #fillSet(): void {
    const set = this.#set
    set.clear()
    for (const { fd, waitsFor } of this.#round) {
      // poll(2) ignores a negative descriptor.
      if (waitsFor === 'nothing') set.add(-1, 0)
      else if (waitsFor === 'both') set.add(fd, POLLIN | POLLOUT)
      else set.add(fd, waitsFor === 'read' ? POLLIN : POLLOUT)
    }
  }

  /** Sleeps until descriptors are ready. @returns how many are. */
  #sleep(): number {
    const start = performance.now()
    const ready = this.#set.wait(-1)
    this.#busyPoll.slept((performance.now() - start) * 1000)
    return ready
  }

  /** Serves the descriptors that are ready. @returns whether there are any. */
  #serve(ready: number): boolean {
    if (ready === 0) return false
    let index = 0
    for (const watched of this.#round) {
      // An earlier item of this round may have removed this one.
      if (this.#set.happened(index++) !== 0 && this.#watched.has(watched)) watched.ready()
    }
    return true
  }

  /**
   * Does the work that shows in memory, until there has been none for a while or descriptors must have their
   * turn.
   *
   * @returns whether none is left. Then descriptors become readable when there is new work.
   */
  #pollMemory(): boolean {
    const polled = this.#polled
    if (polled.length === 0) return true
    for (const each of polled) each.disableNotifications()
    let shares = 0
    while (this.#busyPollFor(this.#pollAll)) {
      // An item that was removed meanwhile must not be polled.
      if (++shares >= SHARES || this.#changed) return false
    }
    let hasWork = false
    for (const each of polled) {
      if (each.enableNotifications()) hasWork = true
    }
    return !hasWork
  }

  /** Gives each item that has work a share of time. @returns whether any had work. */
  readonly #pollAll = (): boolean => {
    let found = false
    for (const polled of this.#polled) {
      if (polled.poll()) found = true
    }
    return found
  }

  /** Busy-polls descriptors when no work shows in memory. @returns whether any was ready and served. */
  #busyPollDescriptors(): boolean {
    const pays = this.#polled.length === 0 && this.#busyPoll.microseconds > 0
    return pays && this.#busyPollFor(() => this.#serve(this.#set.wait(0)))
  }

  /** Calls `poll` until it finds work, as long as busy-polling pays. @returns whether it found any. */
  #busyPollFor(poll: () => boolean): boolean {
    const { microseconds } = this.#busyPoll
    if (poll()) return true
    if (microseconds === 0) return false
    const end = performance.now() + microseconds / 1000
    for (let polls = 1; ; polls++) {
      if (poll()) {
        this.#busyPoll.paid()
        return true
      }
      if (polls % POLLS_PER_CLOCK === 0 && performance.now() > end) return false
    }
  }

  /** Closes everything that is watched. */
  close(): void {
    for (const watched of this.#watched) this.remove(watched)
  }
}
