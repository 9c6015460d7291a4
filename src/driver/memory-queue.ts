/**
 * Lets what takes memory go on one after the other where there is not enough for all of it at once. What is alone
 * goes on however little there is, since a guest seldom uses all that it has.
 */
export class MemoryQueue {
  readonly #availableMiB: () => number
  readonly #waiting: (() => void)[] = []
  #promisedMiB = 0
  #holders = 0

  /** @param availableMiB how much memory there is now. */
  constructor(availableMiB: () => number = availableMemory) {
    this.#availableMiB = availableMiB
  }

  /** Resolves when there is room; what it returns gives the room back. */
  async take(memoryMiB: number): Promise<Disposable> {
    for (;;) {
      const room = this.tryTake(memoryMiB)
      if (room !== undefined) return room
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** The same, or undefined where there is no room now. */
  tryTake(memoryMiB: number): Disposable | undefined {
    // What is promised is not all in use yet, so it counts beside what is.
    if (this.#holders > 0 && this.#promisedMiB + memoryMiB > this.#availableMiB()) return undefined
    this.#promisedMiB += memoryMiB
    this.#holders++
    return {
      [Symbol.dispose]: () => {
        this.#promisedMiB -= memoryMiB
        this.#holders--
        for (const wake of this.#waiting.splice(0)) wake()
      },
    }
  }
}

/** Of this process and its control group. */
function availableMemory(): number {
  return process.availableMemory() / 2 ** 20
}
