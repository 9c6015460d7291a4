/** Numbers that look random and are the same for the same seed (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 0 to 2^32 - 1. */
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** 0 to `most`, both possible. */
  upTo(most: number): number {
    return this.u32() % (most + 1)
  }

  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean {
    return this.u32() % 100 < percent
  }

  pick<V>(values: readonly V[]): V {
    if (values.length === 0) throw new Error('nothing to pick from')
    return values[this.u32() % values.length] as V
  }

  /** The values in proportion to their weights. */
  weighted<V extends string>(weights: Readonly<Record<V, number>>): V {
    const all = Object.entries(weights) as [V, number][]
    let at = this.u32() % all.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [value, weight] of all) {
      if (at < weight) return value
      at -= weight
    }
    throw new Error('there is no weight')
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.u32() & 0xff))
  }
}
