import { EPOLLIN, EPOLLOUT, Epoll } from '../sys/epoll.ts'
import type { EventLoop, Polled, Readiness, Turn, Watched } from '../transport/event-loop.ts'
import type { Later } from '../tree/later.ts'
import { BusyPollTime } from './busy-poll.ts'
import { Timers } from './timers.ts'

/** The number of polls between two looks at the clock. One look takes as long as some polls. */
const POLLS_PER_CLOCK = 16

/**
 * The time of a round, in milliseconds: all that have something to do share it. So a client waits about so
 * long for its turn, and in addition for the last request of each other client's turn.
 */
const ROUND_MS = 5

/** The shortest turn, in milliseconds, where very many share a round. To begin one takes a microsecond. */
const TURN_MS = 0.2

/** The events of each {@link Readiness}. */
const events: { readonly [R in Readiness]: number } = {
  nothing: 0,
  read: EPOLLIN,
  write: EPOLLOUT,
  both: EPOLLIN | EPOLLOUT,
}

/** The loop of a serving process. Everything that serves a share runs inside of {@link Loop.run}. */
export class Loop implements EventLoop {
  readonly #watched = new Map<Watched, Registration>()
  readonly #byId = new Map<number, Watched>()
  #id = 0
  #running = false
  readonly #epoll: Epoll
  readonly #timers: Timers
  readonly #busyPoll = new BusyPollTime()
  readonly #turn: TimedTurn
  readonly #round: TimedTurn
  /** The items that have more to do, although nothing happens to their descriptors. */
  #busy = new Set<Watched>()
  /** The items that are served in the present round. */
  #served = new Set<Watched>()
  #polled: readonly Polled[] = []
  /** Whether {@link #polled} has changed since it was last gone through. */
  #polledChanged = false

  /** @param now a clock in milliseconds, for the length of turns. */
  constructor(now: () => number = () => performance.now()) {
    const clock = new Clock(now)
    this.#turn = new TimedTurn(clock)
    this.#round = new TimedTurn(clock)
    this.#timers = new Timers()
    try {
      this.#epoll = new Epoll()
    } catch (error) {
      this.#timers.close()
      throw error
    }
    try {
      this.add(this.#timers)
    } catch (error) {
      this.#epoll.close()
      throw error
    }
  }

  add(watched: Watched): void {
    const registration = { id: this.#id++, events: 0 }
    try {
      this.#update(watched, registration)
    } catch (error) {
      watched.close()
      throw error
    }
    this.#watched.set(watched, registration)
    this.#byId.set(registration.id, watched)
    if (watched.polled !== undefined) this.#findPolled()
  }

  remove(watched: Watched): void {
    const registration = this.#watched.get(watched)
    if (registration === undefined) return
    this.#watched.delete(watched)
    this.#byId.delete(registration.id)
    this.#busy.delete(watched)
    if (watched.polled !== undefined) this.#findPolled()
    try {
      if (registration.events !== 0) this.#epoll.remove(watched.fd)
    } finally {
      watched.close()
    }
  }

  changed(watched: Watched): void {
    const registration = this.#watched.get(watched)
    if (registration !== undefined) this.#update(watched, registration)
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
    this.#running = true
    while (this.#running) {
      const isIdle = this.#pollMemory() && this.#busy.size === 0
      if (!isIdle) this.#serve(this.#epoll.wait(0))
      else if (!this.#busyPollDescriptors()) this.#serve(this.#sleep())
    }
  }

  /** Takes over what an item waits for, and whether it has more to do. */
  #update(watched: Watched, registration: Registration): void {
    const { fd, waitsFor, hasMore } = watched
    const wanted = events[waitsFor]
    if (registration.events !== wanted) {
      // An item that waits for nothing is taken out, because epoll(7) always tells of errors and hang-ups.
      if (wanted === 0) this.#epoll.remove(fd)
      else if (registration.events === 0) this.#epoll.add(fd, wanted, registration.id)
      else this.#epoll.change(fd, wanted, registration.id)
      registration.events = wanted
    }
    if (hasMore === true) this.#busy.add(watched)
  }

  #findPolled(): void {
    // Several descriptors may tell of the same work.
    this.#polled = [...new Set([...this.#watched.keys()].flatMap(({ polled }) => polled ?? []))]
    this.#polledChanged = true
  }

  /** Sleeps until descriptors are ready. @returns how many are. */
  #sleep(): number {
    const start = performance.now()
    const ready = this.#epoll.wait(-1)
    this.#busyPoll.slept((performance.now() - start) * 1000)
    return ready
  }

  /**
   * Gives a turn to each item whose descriptor is ready, and to those that have more to do.
   *
   * @returns whether there are any.
   */
  #serve(ready: number): boolean {
    if (ready === 0 && this.#busy.size === 0) return false
    const served = this.#busy
    this.#busy = this.#served
    this.#served = served
    for (let index = 0; index < ready; index++) {
      const watched = this.#byId.get(this.#epoll.id(index))
      if (watched !== undefined) served.add(watched)
    }
    const time = Math.max(TURN_MS, ROUND_MS / served.size)
    for (const watched of served) {
      // An earlier item of this round may have removed this one.
      if (!this.#watched.has(watched)) continue
      this.#turn.begin(time)
      this.#turn.start()
      watched.ready(this.#turn)
      this.changed(watched)
    }
    served.clear()
    return true
  }

  /**
   * Does the work that shows in memory, until there has been none for a while or descriptors must have their
   * turn.
   *
   * @returns whether none is left. Then descriptors become readable when there is new work.
   */
  #pollMemory(): boolean {
    this.#polledChanged = false
    const polled = this.#polled
    if (polled.length === 0) return true
    for (const each of polled) each.disableNotifications()
    this.#round.begin(ROUND_MS)
    this.#round.start()
    while (this.#busyPollFor(this.#pollAll)) {
      // An item that was removed meanwhile must not be polled.
      if (this.#polledChanged || this.#busy.size > 0 || this.#round.isOver) return false
    }
    let hasWork = false
    for (const each of polled) {
      if (each.enableNotifications()) hasWork = true
    }
    return !hasWork
  }

  /** Gives each item that has work its turn. @returns whether any had work. */
  readonly #pollAll = (): boolean => {
    const polled = this.#polled
    const time = Math.max(TURN_MS, ROUND_MS / polled.length)
    let found = false
    for (const each of polled) {
      // Most polls find nothing, and to look at the clock takes longer than they do.
      this.#turn.begin(time)
      if (each.poll(this.#turn)) found = true
    }
    return found
  }

  /** Busy-polls descriptors when no work shows in memory. @returns whether any was ready and served. */
  #busyPollDescriptors(): boolean {
    const pays = this.#polled.length === 0 && this.#busyPoll.microseconds > 0
    return pays && this.#busyPollFor(() => this.#serve(this.#epoll.wait(0)))
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
    try {
      for (const watched of this.#watched.keys()) this.remove(watched)
    } finally {
      this.#epoll.close()
    }
  }
}

/** How an item is registered. */
interface Registration {
  readonly id: number
  /** What its descriptor is watched for at the moment; 0 for nothing. */
  events: number
}

/** A clock in milliseconds, which remembers when it was looked at. */
class Clock {
  /** The time of the last look. */
  last = -Infinity
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  look(): number {
    this.last = this.#now()
    return this.last
  }
}

/**
 * A turn of some milliseconds. It starts with the last look at the clock, if not with {@link start}: at the end of the turn
 * before, or not long before. A turn that is over too early goes on in the next round.
 */
class TimedTurn implements Turn {
  readonly #clock: Clock
  #time = 0
  #end = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  begin(milliseconds: number): void {
    this.#time = milliseconds
    this.#end = this.#clock.last + milliseconds
  }

  start(): void {
    this.#end = this.#clock.look() + this.#time
  }

  get isOver(): boolean {
    return this.#clock.look() >= this.#end
  }
}
