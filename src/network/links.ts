import type { Clock } from './clock.ts'
import { Path } from './path.ts'
import { Random } from './random.ts'

/**
 * The links between the machines of a network: a path in each direction between any two machines. Paths can be
 * interrupted and can have conditions. Machines are identified by their names.
 */
export class Links {
  readonly #clock: Clock
  readonly #seed: number
  readonly #paths = new Map<string, Map<string, Path>>()
  /** For each machine the machines that it is separated from. */
  readonly #parted = new Map<string, Set<string>>()
  readonly #blocked = new Set<string>()

  /** @param seed of the random numbers for loss and jitter. */
  constructor(clock: Clock, seed: number) {
    this.#clock = clock
    this.#seed = seed
  }

  /** The path of frames from one machine to another. */
  path(from: string, to: string): Path {
    const known = this.#paths.get(from)?.get(to)
    if (known !== undefined) return known
    // Each path has its own random numbers, so that its losses do not depend on the traffic of others.
    const random = new Random(`${this.#seed} ${from} ${to}`)
    const path = new Path(this.#clock, random, () => this.#isOpen(from, to))
    const paths = this.#paths.get(from) ?? new Map<string, Path>()
    this.#paths.set(from, paths.set(to, path))
    return path
  }

  /** Interrupts both directions between two machines, until {@link heal}. */
  part(a: string, b: string): void {
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const parted = this.#parted.get(one) ?? new Set()
      this.#parted.set(one, parted.add(other))
    }
  }

  /** Undoes every {@link part}. */
  heal(): void {
    this.#parted.clear()
  }

  /** Unplugs the cables of all NICs of a machine. */
  block(machine: string): void {
    this.#blocked.add(machine)
  }

  unblock(machine: string): void {
    this.#blocked.delete(machine)
  }

  isBlocked(machine: string): boolean {
    return this.#blocked.has(machine)
  }

  /** Drops all frames that are under way. */
  close(): void {
    for (const paths of this.#paths.values()) for (const path of paths.values()) path.close()
  }

  #isOpen(from: string, to: string): boolean {
    const isParted = this.#parted.get(from)?.has(to) ?? false
    return !isParted && !this.#blocked.has(from) && !this.#blocked.has(to)
  }
}
