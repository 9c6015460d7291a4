import type { Clock } from './clock.ts'

/** After how many milliseconds without a frame from it an address is forgotten: as in Linux's bridge (BR_DEFAULT_AGEING_TIME). */
export const AGEING = 300_000

/**
 * The largest number of addresses of one port. A guest that makes up addresses fills only its own share; frames to
 * addresses beyond it go to all ports, as those to unknown addresses do.
 */
export const ADDRESSES_PER_PORT = 256

/** The least time between two searches of a full table for old addresses, in milliseconds. */
const SWEEP_INTERVAL = 1000

interface Entry<P> {
  port: P
  seenAt: number
}

/** The port of each address in a VLAN, learned from the source addresses of frames. */
export class MacTable<P> {
  readonly #clock: Clock
  readonly #entries = new Map<number, Entry<P>>()
  readonly #counts = new Map<P, number>()
  #sweptAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many addresses the table has, old ones included. */
  get size(): number {
    return this.#entries.size
  }

  /** Notes that a frame from `address` has arrived at `port`. */
  learn(address: number, port: P): void {
    const entry = this.#entries.get(address)
    if (entry?.port === port) {
      entry.seenAt = this.#clock.now()
      return
    }
    // The address is new, or has moved to another port.
    if (entry !== undefined) this.#remove(address, entry)
    if (this.#count(port) >= ADDRESSES_PER_PORT) this.#sweep()
    if (this.#count(port) >= ADDRESSES_PER_PORT) return
    this.#entries.set(address, { port, seenAt: this.#clock.now() })
    this.#counts.set(port, this.#count(port) + 1)
  }

  /** The port of `address`; undefined where it is unknown. */
  find(address: number): P | undefined {
    const entry = this.#entries.get(address)
    if (entry === undefined) return undefined
    if (!this.#isOld(entry)) return entry.port
    this.#remove(address, entry)
    return undefined
  }

  /** Forgets all addresses of `port`. */
  forget(port: P): void {
    for (const [address, entry] of this.#entries) {
      if (entry.port === port) this.#remove(address, entry)
    }
  }

  #count(port: P): number {
    return this.#counts.get(port) ?? 0
  }

  #isOld({ seenAt }: Entry<P>): boolean {
    return this.#clock.now() - seenAt > AGEING
  }

  #remove(address: number, { port }: Entry<P>): void {
    this.#entries.delete(address)
    const left = this.#count(port) - 1
    if (left > 0) this.#counts.set(port, left)
    else this.#counts.delete(port)
  }

  #sweep(): void {
    const now = this.#clock.now()
    if (now - this.#sweptAt < SWEEP_INTERVAL) return
    this.#sweptAt = now
    for (const [address, entry] of this.#entries) {
      if (this.#isOld(entry)) this.#remove(address, entry)
    }
  }
}
