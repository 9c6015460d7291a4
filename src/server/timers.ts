import { closeTimerfd, createTimerfd, drainTimerfd, setTimerfd } from '../sys/timerfd.ts'
import type { Later } from '../tree/later.ts'
import type { Watched } from '../transport/event-loop.ts'

interface Waiting {
  /** On the clock of performance.now(). */
  readonly at: number
  readonly action: () => void
}

/**
 * The timers of an engine thread. They have a descriptor instead of poll(2)'s timeout. That would have to be
 * set and removed with every request, which costs as much as some requests do.
 */
export class Timers implements Watched {
  readonly fd = createTimerfd()
  readonly #waiting = new Set<Waiting>()

  get waitsFor(): 'read' | 'nothing' {
    return this.#waiting.size > 0 ? 'read' : 'nothing'
  }

  readonly later: Later = (milliseconds, action) => {
    const waiting = { at: performance.now() + milliseconds, action }
    const isNext = [...this.#waiting].every(({ at }) => waiting.at < at)
    this.#waiting.add(waiting)
    if (isNext) setTimerfd(this.fd, milliseconds)
    return () => this.#waiting.delete(waiting)
  }

  ready(): void {
    drainTimerfd(this.fd)
    const now = performance.now()
    // In the order of their times, also if several are due at once.
    const due = [...this.#waiting].filter(({ at }) => at <= now).toSorted((a, b) => a.at - b.at)
    for (const waiting of due) {
      // An earlier action may have cancelled this one.
      if (this.#waiting.delete(waiting)) waiting.action()
    }
    let next = Infinity
    for (const { at } of this.#waiting) next = Math.min(next, at)
    if (next < Infinity) setTimerfd(this.fd, next - now)
  }

  close(): void {
    closeTimerfd(this.fd)
  }
}
