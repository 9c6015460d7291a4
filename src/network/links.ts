import type { Clock } from './clock.ts'
import { Path } from './path.ts'
import { Random } from './random.ts'

/**
 * What lies between the machines of a network: a path in each direction between any two, of which some are
 * interrupted and some have conditions. A machine is known by its name.
 */
export class Links {
  readonly #clock: Clock
  readonly #seed: number
  readonly #paths = new Map<string, Map<string, Path>>()
  /** For each machine those that it is parted from. */
  readonly #parted = new Map<string, Set<string>>()
  readonly #blocked = new Set<string>()

  /** @param seed of all that is left to chance. */
  constructor(clock: Clock, seed: number) {
    this.#clock = clock
    this.#seed = seed
  }

  /** The way of frames from one machine to another. */
  path(from: string, to: string): Path {
    const known = this.#paths.get(from)?.get(to)
    if (known !== undefined) return known
    // Each has chance of its own: what is lost on one does not depend on what others carry.
    const random = new Random(`${this.#seed} ${from} ${to}`)
    const path = new Path(this.#clock, random, () => this.#isOpen(from, to))
    const paths = this.#paths.get(from) ?? new Map<string, Path>()
    this.#paths.set(from, paths.set(to, path))
    return path
  }

  /** Nothing gets from one to the other in either direction, until {@link heal}. */
  part(a: string, b: string): void {
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const parted = this.#parted.get(one) ?? new Set()
      this.#parted.set(one, parted.add(other))
    }
  }

  /** Nobody is parted from anybody any more. */
  heal(): void {
    this.#parted.clear()
  }

  /** Pulls all of a machine's cables out. */
  block(machine: string): void {
    this.#blocked.add(machine)
  }

  unblock(machine: string): void {
    this.#blocked.delete(machine)
  }

  isBlocked(machine: string): boolean {
    return this.#blocked.has(machine)
  }

  /** Whatever is under way is lost. */
  close(): void {
    for (const paths of this.#paths.values()) for (const path of paths.values()) path.close()
  }

  #isOpen(from: string, to: string): boolean {
    const isParted = this.#parted.get(from)?.has(to) ?? false
    return !isParted && !this.#blocked.has(from) && !this.#blocked.has(to)
  }
}
