import { closeTimerfd, createTimerfd, drainTimerfd, setTimerfd } from '../sys/timerfd.ts'
import type { Later } from '../tree/later.ts'
import type { Watched } from '../transport/event-loop.ts'

interface Waiting {
  /** On the clock of performance.now(). */
  readonly at: number
  readonly action: () => void
}

/**
 * What an engine thread is to do later. A descriptor of its own and not poll(2)'s timeout: that would
 * have to be set and taken back with every request, which costs as much as some requests do.
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
    // In their order, also when this thread had something else to do at the time.
    const due = [...this.#waiting].filter(({ at }) => at <= now).toSorted((a, b) => a.at - b.at)
    for (const waiting of due) {
      // An earlier one may have called it off.
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
