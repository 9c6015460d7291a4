/**
 * Random numbers that can be repeated: the same seed gives the same numbers. A 32-bit xorshift generator (Marsaglia,
 * "Xorshift RNGs", 2003), which is good enough for losing frames, and not for secrets.
 */
export class Random {
  #state: number

  constructor(seed: string) {
    // FNV-1a, so that similar seeds give very different states. A state of 0 would stay 0.
    let hash = 0x811c9dc5
    for (const byte of Buffer.from(seed)) hash = Math.imul(hash ^ byte, 0x01000193)
    this.#state = hash === 0 ? 1 : hash
  }

  /** The next number, from 0 to less than 1. */
  fraction(): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state
    return (state >>> 0) / 2 ** 32
  }
}
