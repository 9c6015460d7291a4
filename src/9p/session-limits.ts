import { ErrnoError } from '../sys/errno.ts'
import { MSIZE_MAX, MSIZE_MIN } from './wire/limits.ts'

/** A limit of what a client may ask for: its value by default, and which values may be set. */
interface Limit {
  readonly default: number
  readonly least: number
  readonly most: number
  readonly help: string
}

/**
 * Every limit that can be set, one row each. The types, the defaults, what the command line takes and
 * what it says about it follow from this table.
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
    // The time that a lock takes grows with those that there are of its file, here and in the kernel.
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
} as const satisfies Record<string, Limit>

/** What a server's clients may ask for. */
export type Limits = { readonly [Name in keyof typeof limitTable]: number }

/** What one client may ask for. */
export type SessionLimits = Omit<Limits, 'connections'>

export type LimitName = keyof SessionLimits

export const defaultLimits: Limits = Object.fromEntries(
  Object.entries(limitTable).map(([name, limit]) => [name, limit.default]),
) as Limits

/** A client asked for more than it may have. The session logs it once. */
export class LimitError extends ErrnoError {
  readonly limit: LimitName

  /** @param errno what the client is answered. */
  constructor(limit: LimitName, errno: number) {
    super(errno, `limit of ${limit}`)
    this.limit = limit
  }
}
