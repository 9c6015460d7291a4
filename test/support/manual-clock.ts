import type { Clock } from '../../src/network/clock.ts'

interface Timer {
  readonly due: number
  readonly action: () => void
}

/** Time that passes when the test says so. */
export class ManualClock implements Clock {
  #now = 0
  #timers: Timer[] = []

  now(): number {
    return this.#now
  }

  later(milliseconds: number, action: () => void): () => void {
    const timer = { due: this.#now + milliseconds, action }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer)
    }
  }

  /** Lets time pass; each timer goes off at its own time. */
  pass(milliseconds: number): void {
    const end = this.#now + milliseconds
    for (;;) {
      const [next] = this.#timers.filter(({ due }) => due <= end).toSorted((a, b) => a.due - b.due)
      if (next === undefined) break
      this.#timers = this.#timers.filter((each) => each !== next)
      this.#now = next.due
      next.action()
    }
    this.#now = end
  }
}
