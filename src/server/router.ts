import { ErrnoError, errno } from '../sys/errno.ts'
import { exportNamed } from '../tree/host/host-exports.ts'
import type { Attachment, Exports } from '../tree/tree.ts'
import type { Route } from './route.ts'

/** How long a client may leave open what it attaches to before another one may have its place, in milliseconds. */
export const SILENCE_MAX = 10_000

/**
 * The exports of the process that accepts clients. It has none itself: each is in a process of its own, to which a client is
 * passed on when it attaches. What comes before that is answered here, and so are attaches that must fail.
 */
export class Router implements Exports {
  readonly #names: readonly (string | null)[]
  readonly routes: readonly Route[]

  /** @param routes those of the exports, in the order of their names. */
  constructor(names: readonly (string | null)[], routes: readonly Route[]) {
    this.#names = names
    this.routes = routes
  }

  /** The way of a client that attaches to `aname`; undefined where it cannot. */
  routeTo(aname: string): Route | undefined {
    const route = this.routes[exportNamed(this.#names, aname)]
    return route?.isGone === false ? route : undefined
  }

  attach(aname: string): Attachment {
    const isKnown = exportNamed(this.#names, aname) >= 0
    throw new ErrnoError(isKnown ? errno.EIO : errno.ENOENT, 'attach')
  }
}

/**
 * The client that has to leave when there is no place for another one: the first, if it has been silent for too long. Nobody
 * else needs its place until then: QEMU connects when it starts, and its guest may mount much later.
 *
 * @param clients those that have not attached, in the order in which they have come.
 * @param now in milliseconds, on the same clock as `since`.
 */
export function displaced<C extends { readonly since: number }>(
  clients: Iterable<C>,
  now: number,
): C | undefined {
  for (const first of clients) return now - first.since >= SILENCE_MAX ? first : undefined
  return undefined
}
