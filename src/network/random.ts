/**
 * Chance that can be repeated: the same seed gives the same numbers. A xorshift generator of 32 bits (Marsaglia,
 * "Xorshift RNGs", 2003), good enough to lose frames by, and for nothing secret.
 */
export class Random {
  #state: number

  constructor(seed: string) {
    // FNV-1a, so that seeds that differ a little begin far from each other. A state of 0 would stay 0.
    let hash = 0x811c9dc5
    for (const byte of Buffer.from(seed)) hash = Math.imul(hash ^ byte, 0x01000193)
    this.#state = hash === 0 ? 1 : hash
  }

  /** From 0 to less than 1. */
  fraction(): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state
    return (state >>> 0) / 2 ** 32
  }
}
