import { closeTimerfd, createTimerfd, drainTimerfd, setTimerfd } from '../sys/timerfd.ts'
import type { Later } from '../tree/later.ts'
import type { Turn, Watched } from '../transport/event-loop.ts'
import { type Timer, TimerHeap } from './timer-heap.ts'

interface Waiting extends Timer {
  readonly action: () => void
}

/**
 * The timers of a serving process. They have a descriptor instead of the timeout of epoll_wait(2). That would
 * have to be found out before each wait, which costs as much as some requests do.
 */
export class Timers implements Watched {
  readonly fd = createTimerfd()
  readonly waitsFor = 'read'
  readonly #waiting = new TimerHeap<Waiting>()
  #number = 0
  /** The time for which the descriptor is set. */
  #set = Infinity

  readonly later: Later = (milliseconds, action) => {
    const at = performance.now() + milliseconds
    const waiting = { at, number: this.#number++, action, index: -1 }
    this.#waiting.add(waiting)
    // A timer that is cancelled leaves the descriptor set: at worst it wakes the thread once for nothing.
    if (at < this.#set) this.#setFor(at, milliseconds)
    return () => this.#waiting.remove(waiting)
  }

  /** Runs the actions that are due, in the order of their times, as far as the turn goes. */
  ready(turn: Turn): void {
    drainTimerfd(this.fd)
    this.#set = Infinity
    const now = performance.now()
    // Actions that are added meanwhile run after the next wait, also if they are due at once.
    const newest = this.#number
    for (;;) {
      const next = this.#waiting.first
      if (next === undefined) return
      if (next.at > now || next.number >= newest || turn.isOver) {
        this.#setFor(next.at, next.at - now)
        return
      }
      this.#waiting.remove(next)
      next.action()
    }
  }

  close(): void {
    closeTimerfd(this.fd)
  }

  #setFor(at: number, milliseconds: number): void {
    this.#set = at
    setTimerfd(this.fd, milliseconds)
  }
}
