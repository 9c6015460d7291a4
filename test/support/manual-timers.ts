import type { Later } from '../../src/tree/later.ts'

/** Timers that go off when the test says so. */
export class ManualTimers {
  #waiting: { milliseconds: number; action: () => void }[] = []

  readonly later: Later = (milliseconds, action) => {
    const timer = { milliseconds, action }
    this.#waiting.push(timer)
    return () => {
      this.#waiting = this.#waiting.filter((each) => each !== timer)
    }
  }

  /** The times that are waited for, shortest first. */
  get waiting(): number[] {
    return this.#waiting.map(({ milliseconds }) => milliseconds).toSorted((a, b) => a - b)
  }

  /** All of one length go off that wait now. */
  fire(milliseconds: number): void {
    const due = this.#waiting.filter((each) => each.milliseconds === milliseconds)
    this.#waiting = this.#waiting.filter((each) => each.milliseconds !== milliseconds)
    for (const { action } of due) action()
  }
}
