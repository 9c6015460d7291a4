/** A timer of a {@link TimerHeap}. */
export interface Timer {
  /** On the clock of performance.now(). */
  readonly at: number
  /** Of two timers with the same time, the one with the smaller number is first. */
  readonly number: number
  /** Where it lies in its heap; -1 when it is in none. Only the heap writes this. */
  index: number
}

/** Timers by their time, the next one first: a binary heap. To add or remove one of n takes log2(n) steps. */
export class TimerHeap<T extends Timer> {
  readonly #all: T[] = []

  get size(): number {
    return this.#all.length
  }

  get first(): T | undefined {
    return this.#all[0]
  }

  add(timer: T): void {
    this.#all.push(timer)
    this.#rise(timer, this.#all.length - 1)
  }

  /** @returns whether the timer was in the heap. */
  remove(timer: T): boolean {
    const { index } = timer
    if (index < 0) return false
    timer.index = -1
    const last = this.#all.pop() as T
    if (last === timer) return true
    this.#rise(last, index)
    if (last.index === index) this.#sink(last, index)
    return true
  }

  /** Puts `timer` at `index`, or nearer to the front. */
  #rise(timer: T, index: number): void {
    let at = index
    while (at > 0) {
      const parent = this.#all[(at - 1) >> 1] as T
      if (!isBefore(timer, parent)) break
      this.#place(parent, at)
      at = (at - 1) >> 1
    }
    this.#place(timer, at)
  }

  /** Puts `timer` at `index`, or farther from the front. */
  #sink(timer: T, index: number): void {
    const all = this.#all
    let at = index
    for (;;) {
      let next = 2 * at + 1
      if (next >= all.length) break
      const right = all[next + 1]
      if (right !== undefined && isBefore(right, all[next] as T)) next++
      const child = all[next] as T
      if (!isBefore(child, timer)) break
      this.#place(child, at)
      at = next
    }
    this.#place(timer, at)
  }

  #place(timer: T, index: number): void {
    this.#all[index] = timer
    timer.index = index
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.number < b.number)
}
