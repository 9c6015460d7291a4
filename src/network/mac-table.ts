import type { Clock } from './clock.ts'

/** Milliseconds after which an address that nothing came from is forgotten: as Linux's bridge (BR_DEFAULT_AGEING_TIME). */
export const AGEING = 300_000

/**
 * Most addresses that are known behind one port: a guest that makes up addresses takes no room from others, and
 * what is sent to those goes to everybody, as before they were known.
 */
export const ADDRESSES_PER_PORT = 256

/** How often, in milliseconds, a full table may be searched for what is too old. */
const SWEEP_INTERVAL = 1000

interface Entry<P> {
  port: P
  seenAt: number
}

/** Behind which port of a broadcast domain an address is, learned from what came from there. */
export class MacTable<P> {
  readonly #clock: Clock
  readonly #entries = new Map<number, Entry<P>>()
  readonly #counts = new Map<P, number>()
  #sweptAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many addresses are remembered, old ones included. */
  get size(): number {
    return this.#entries.size
  }

  /** A frame from `address` came in by `port`. */
  learn(address: number, port: P): void {
    const entry = this.#entries.get(address)
    if (entry?.port === port) {
      entry.seenAt = this.#clock.now()
      return
    }
    // It has moved, or is new.
    if (entry !== undefined) this.#remove(address, entry)
    if (this.#count(port) >= ADDRESSES_PER_PORT) this.#sweep()
    if (this.#count(port) >= ADDRESSES_PER_PORT) return
    this.#entries.set(address, { port, seenAt: this.#clock.now() })
    this.#counts.set(port, this.#count(port) + 1)
  }

  /** The port behind which `address` is; undefined when nobody knows. */
  find(address: number): P | undefined {
    const entry = this.#entries.get(address)
    if (entry === undefined) return undefined
    if (!this.#isOld(entry)) return entry.port
    this.#remove(address, entry)
    return undefined
  }

  /** Nothing is behind `port` any more. */
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
