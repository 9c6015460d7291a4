/**
 * Shares memory among machines: a machine that does not fit beside the others waits for them. A machine that is alone
 * never waits, since a guest seldom uses all of its memory.
 */
export class MemoryQueue {
  readonly #availableMiB: () => number
  readonly #waiting: (() => void)[] = []
  #promisedMiB = 0
  #holders = 0

  /** @param availableMiB the available memory now. */
  constructor(availableMiB: () => number = availableMemory) {
    this.#availableMiB = availableMiB
  }

  /** Reserves memory, as soon as there is enough of it. Disposing of the result gives it back. */
  async take(memoryMiB: number): Promise<Disposable> {
    for (;;) {
      const room = this.tryTake(memoryMiB)
      if (room !== undefined) return room
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** As {@link take}, but undefined where there is not enough memory now. */
  tryTake(memoryMiB: number): Disposable | undefined {
    // Guests that have just started do not use their memory yet. It still counts as available, so what was promised to
    // them is subtracted here.
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

/** The memory that this process may still use, within its control group. */
function availableMemory(): number {
  return process.availableMemory() / 2 ** 20
}
