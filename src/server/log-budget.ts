/** How many lines are let through at once, and how many a second in the long run. */
const BURST = 200
const RATE = 10

/**
 * Limits the lines of the log. Clients can cause as many lines as they like, so only as many get through as a
 * person can read. The others are counted.
 */
export class LogBudget {
  readonly #write: (line: string) => void
  readonly #now: () => number
  #left = BURST
  #filledAt: number
  #leftOut = 0

  /** @param now a clock in milliseconds. */
  constructor(write: (line: string) => void, now: () => number = () => performance.now()) {
    this.#write = write
    this.#now = now
    this.#filledAt = now()
  }

  log(line: string): void {
    const now = this.#now()
    this.#left = Math.min(BURST, this.#left + ((now - this.#filledAt) * RATE) / 1000)
    this.#filledAt = now
    if (this.#left < 1) {
      if (this.#leftOut++ === 0) this.#write('too much happens to log it all: lines are left out')
      return
    }
    this.#left--
    if (this.#leftOut > 0) this.#write(`${this.#leftOut} lines were left out`)
    this.#leftOut = 0
    this.#write(line)
  }
}
