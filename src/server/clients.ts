import { ErrnoError } from '../sys/errno.ts'
import { discard } from '../sys/files.ts'
import type { EventLoop, Watched } from '../transport/event-loop.ts'
import { displaced } from './router.ts'
import type { Listen } from './share.ts'

/** What serves a client, and whether that has sent anything yet. */
type Spoken = Watched & { readonly hasSpoken: boolean }

/** Who is let in. */
export interface Admission {
  /** How many clients there may be. */
  readonly most: number
  /** Whether one that has been silent for long gives its place to a new one. */
  readonly mayDisplace: boolean
  /** See Served.once. */
  readonly once: boolean
  /** Called when the only client of `once` has gone. */
  readonly onLeft: () => void
}

/** A client that this process serves. */
export interface Client {
  readonly watched: Spoken
  /** Its number in the log. */
  readonly number: number
  /** The index of the address that it has connected to, and the kind of that. */
  readonly place: number
  readonly kind: Listen['kind']
  /** When it has come, on the clock of performance.now(). */
  readonly since: number
}

/** Where a client comes from. */
export type Origin = Pick<Client, 'number' | 'place' | 'kind'>

/** What the one who serves a client can say about it. */
export interface Standing {
  readonly say: (line: string) => void
  /** The client is gone, or has to go. */
  readonly leave: (reason: string) => void
}

/** The clients of this process, at most as many as the limit of connections. */
export class Clients implements Iterable<Client> {
  readonly #loop: EventLoop
  readonly #log: (line: string) => void
  readonly #admission: Admission
  readonly #all = new Set<Client>()
  #count = 0
  /** Whether the log already has a line about the limit. */
  #isFull = false

  constructor(loop: EventLoop, log: (line: string) => void, admission: Admission) {
    this.#loop = loop
    this.#log = log
    this.#admission = admission
  }

  [Symbol.iterator](): IterableIterator<Client> {
    return this.#all.values()
  }

  /** The number of the next client that connects. */
  next(): number {
    return ++this.#count
  }

  say({ number }: Pick<Client, 'number'>, line: string): void {
    this.#log(`client ${number}: ${line}`)
  }

  /** Whether there is a place for one more. @param fd its socket, which is closed where there is none. */
  hasPlace(fd: number): boolean {
    const { most, mayDisplace, once } = this.#admission
    if (once && [...this.#all].some(({ watched }) => watched.hasSpoken)) {
      discard(fd)
      this.#log('its client is there, and another one is not let in')
      return false
    }
    if (this.#all.size < most) return true
    const silent = mayDisplace ? displaced(this.#all, performance.now()) : undefined
    if (silent !== undefined) {
      this.leave(silent, 'has not attached, and gives its place to another client')
      return true
    }
    discard(fd)
    if (!this.#isFull) this.#log(`${this.#all.size} clients are connected, and more are not let in`)
    this.#isFull = true
    return false
  }

  /**
   * Watches a client from now on.
   *
   * @param serve makes what serves it.
   * @returns undefined where it cannot be watched; it is closed then.
   */
  add<W extends Spoken>(
    origin: Origin,
    serve: (standing: Standing) => W,
  ): (Client & { readonly watched: W }) | undefined {
    const watched = serve({
      say: (line) => this.say(origin, line),
      leave: (reason) => this.leave(client, reason),
    })
    const { number, place, kind } = origin
    const client = { watched, number, place, kind, since: performance.now() }
    try {
      this.#loop.add(watched)
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error
      this.say(origin, `could not be accepted: ${error.message}`)
      return undefined
    }
    this.#all.add(client)
    return client
  }

  /** Ends a client's connection. */
  leave(client: Client, reason: string): void {
    this.say(client, reason)
    this.#all.delete(client)
    this.#isFull = false
    this.#loop.remove(client.watched)
    if (this.#admission.once && client.watched.hasSpoken) this.#admission.onLeft()
  }
}
