import { closeTimerfd, createTimerfd, drainTimerfd, setTimerfd } from '../../libc/timerfd.ts'
import type { Watched } from './loop.ts'

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
  #waiting: Waiting[] = []

  get waitsFor(): 'read' | 'nothing' {
    return this.#waiting.length > 0 ? 'read' : 'nothing'
  }

  /** Runs `action` after so many milliseconds, between two events. */
  after(milliseconds: number, action: () => void): void {
    const at = performance.now() + milliseconds
    const isNext = this.#waiting.every((waiting) => at < waiting.at)
    this.#waiting.push({ at, action })
    if (isNext) setTimerfd(this.fd, milliseconds)
  }

  ready(): void {
    drainTimerfd(this.fd)
    const now = performance.now()
    const due = this.#waiting.filter(({ at }) => at <= now)
    // First of all: an action may ask for another.
    this.#waiting = this.#waiting.filter(({ at }) => at > now)
    for (const { action } of due) action()
    if (this.#waiting.length === 0) return
    setTimerfd(this.fd, Math.min(...this.#waiting.map(({ at }) => at)) - now)
  }

  close(): void {
    closeTimerfd(this.fd)
  }
}
