/**
 * What sessions of all wire protocols have in common: limits, memory, names, requests that wait.
 *
 * This file has one row for each limit.
 */

import { getHeapStatistics } from 'node:v8'
import { ErrnoError, errnoName } from '../sys/errno.ts'
import { MSIZE_MAX, MSIZE_MIN } from '../9p/wire/limits.ts'

/** A limit on what a client may ask for: its default, and the values that may be set. */
interface Limit {
  readonly default: number
  readonly least: number
  readonly most: number
  readonly help: string
}

/**
 * All limits that can be set, one row each. The types, the defaults and the command line's options and help
 * follow from this table.
 */
export const limitTable = {
  connections: {
    default: 64,
    least: 1,
    most: 65_536,
    help: 'clients at once; one more is let go at once',
  },
  msize: {
    default: MSIZE_MAX,
    least: MSIZE_MIN,
    most: MSIZE_MAX,
    help: 'bytes in the largest message',
  },
  fids: {
    default: 1 << 20,
    least: 2,
    most: 1 << 24,
    help: 'files that a client may hold on to; one more is ENFILE',
  },
  xattrBytes: {
    default: 1 << 20,
    least: 1 << 16,
    most: 1 << 30,
    help: 'bytes of extended attributes under way; one more is ENOMEM',
  },
  locks: {
    // The kernel takes time in proportion to the locks of a file for each of them.
    default: 1 << 13,
    least: 1,
    most: 1 << 20,
    help: 'ranges of files that a client may lock; one more is ENOLCK',
  },
  /** Requests whose reply is deferred. */
  parked: {
    default: 1024,
    least: 1,
    most: 65_535,
    help: 'requests that may wait; one more is ENOMEM',
  },
  /** Of all clients together, see client-memory.ts. */
  memory: {
    default: Math.floor(getHeapStatistics().heap_size_limit / 4),
    least: 1 << 20,
    most: 2 ** 36,
    help: 'bytes that all clients together may hold',
  },
} as const satisfies Record<string, Limit>

/** The limits of a server. */
export type Limits = { readonly [Name in keyof typeof limitTable]: number }

/** The limits of one client, and `memory`, the one of all. */
export type SessionLimits = Omit<Limits, 'connections'>

export type LimitName = keyof SessionLimits

export const defaultLimits: Limits = Object.fromEntries(
  Object.entries(limitTable).map(([name, limit]) => [name, limit.default]),
) as Limits

/** A client has reached a limit. The session logs this once. */
export class LimitError extends ErrnoError {
  readonly limit: LimitName

  /** @param errno the errno that the client gets. */
  constructor(limit: LimitName, errno: number) {
    super(errno, `limit of ${limit}`)
    this.limit = limit
  }
}

/** Logs each limit that a client reaches once, because a client may reach it as often as it likes. */
export class LimitLog {
  readonly #limits: SessionLimits
  readonly #log: (line: string) => void
  readonly #reached = new Set<LimitName>()

  constructor(limits: SessionLimits, log: (line: string) => void) {
    this.#limits = limits
    this.#log = log
  }

  reached({ limit, errno: ecode }: LimitError): void {
    if (this.#reached.has(limit)) return
    this.#reached.add(limit)
    const what =
      limit === 'memory'
        ? 'asks for more when all clients together have reached the limit of memory, which'
        : `has reached its limit of ${this.#limits[limit]} ${limit}, more`
    this.#log(`${what} is answered ${errnoName(ecode)}`)
  }
}
