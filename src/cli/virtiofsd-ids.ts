import type { IdRange, IdStep, Ownership } from '../tree/host/owners.ts'
import { parseRange } from './owner.ts'
import { UserError } from './user-error.ts'

/** One rule of --translate-uid or --translate-gid. */
export interface IdRule {
  /** As it was written. */
  readonly text: string
  readonly toHost?: IdStep
  readonly toGuest?: IdStep
}

/** What is said about the ids of users, or of groups. */
interface IdMap {
  /** Of --uid-map or --gid-map. */
  readonly namespace: IdRange[]
  /** Of --translate-uid or --translate-gid. */
  readonly rules: IdRule[]
}

/** What is said about all ids. */
export interface IdMaps {
  readonly users: IdMap
  readonly groups: IdMap
}

export function noIdMaps(): IdMaps {
  return { users: { namespace: [], rules: [] }, groups: { namespace: [], rules: [] } }
}

/** `:GUEST:HOST:COUNT:`. The first and the last character separate the numbers, and are the same. */
export function parseNamespaceMap(text: string): IdRange {
  const separator = text[0] ?? ''
  const parts = /\d/.test(separator) ? [] : text.split(separator)
  const [first, guest, host, count, last] = parts
  if (parts.length !== 5 || first !== '' || last !== '') {
    throw new UserError('use :GUEST:HOST:COUNT:, such as :0:100000:65536:')
  }
  return parseRange(`${guest}:${host}:${count}`)
}

/** The largest id and one more: 2^32 - 1 is no id, but `squash-guest:0:1000:4294967295` covers all that are. */
const IDS = 2 ** 32 - 1

/** A rule such as `map:GUEST:HOST:COUNT`, as the help of --translate-uid lists them. */
export function parseTranslation(text: string): IdRule {
  const [kind = '', ...words] = text.split(':')
  const numbers = words.map((word) => (/^\d{1,10}$/.test(word) ? Number(word) : NaN))
  const isForbidden = kind === 'forbid-guest'
  const [from = 0, second = 0] = numbers
  const to = isForbidden ? null : second
  const count = isForbidden ? second : (numbers[2] ?? 0)
  const isSquashed = kind === 'squash-guest' || kind === 'squash-host'
  const ends = [from + count, isSquashed || to === null ? (to ?? 0) + 1 : to + count]
  const isKnown = KINDS.has(kind) && numbers.length === (isForbidden ? 2 : 3)
  // NaN is not below anything.
  if (!isKnown || count === 0 || !ends.every((end) => end <= IDS)) {
    throw new UserError(
      'use map:GUEST:HOST:COUNT, guest:GUEST:HOST:COUNT, host:HOST:GUEST:COUNT, squash-guest:GUEST:HOST:COUNT, ' +
        'squash-host:HOST:GUEST:COUNT or forbid-guest:GUEST:COUNT',
    )
  }
  const step: IdStep = { from, count, to, ...(isSquashed && { isSquashed }) }
  if (kind === 'host' || kind === 'squash-host') return { text, toGuest: step }
  if (kind === 'map') return { text, toHost: step, toGuest: { from: second, count, to: from } }
  return { text, toHost: step }
}

const KINDS: ReadonlySet<string> = new Set([
  'map',
  'guest',
  'host',
  'squash-guest',
  'squash-host',
  'forbid-guest',
])

/**
 * The owners that files have.
 *
 * @throws UserError for maps that overlap, and for both kinds of maps at once.
 */
export function ownershipOf({ users, groups }: IdMaps): Ownership {
  const isTranslated = users.rules.length > 0 || groups.rules.length > 0
  const isNamespace = users.namespace.length > 0 || groups.namespace.length > 0
  if (isTranslated && isNamespace) {
    throw new UserError(
      '--uid-map and --gid-map cannot be used with --translate-uid and --translate-gid here: say it with one kind.',
    )
  }
  if (isTranslated) {
    return {
      users: translationOf('--translate-uid', users.rules),
      groups: translationOf('--translate-gid', groups.rules),
      others: 'same',
    }
  }
  if (!isNamespace) return 'host'
  return {
    users: namespaceOf('--uid-map', users.namespace),
    groups: namespaceOf('--gid-map', groups.namespace),
    others: 'none',
  }
}

interface Steps {
  readonly toHost: readonly IdStep[]
  readonly toGuest: readonly IdStep[]
}

function translationOf(option: string, rules: readonly IdRule[]): Steps {
  const steps = {
    toHost: rules.flatMap(({ toHost }) => toHost ?? []),
    toGuest: rules.flatMap(({ toGuest }) => toGuest ?? []),
  }
  const shown = rules.map(({ text }) => text).join(' ')
  checkApart(`${option} ${shown}`, steps)
  return steps
}

/** Without a map of its own, users (or groups) are the same on both sides, as nothing is said about them. */
function namespaceOf(option: string, ranges: readonly IdRange[]): Steps {
  const all = [{ guest: 0, host: 0, count: IDS }]
  const used = ranges.length === 0 ? all : ranges
  const steps = {
    toHost: used.map(({ guest, host, count }) => ({ from: guest, to: host, count })),
    toGuest: used.map(({ guest, host, count }) => ({ from: host, to: guest, count })),
  }
  const shown = ranges.map(({ guest, host, count }) => `:${guest}:${host}:${count}:`).join(' ')
  checkApart(`${option} ${shown}`, steps)
  return steps
}

/** @throws UserError if an id has two meanings. */
function checkApart(what: string, { toHost, toGuest }: Steps): void {
  for (const steps of [toHost, toGuest]) {
    const sorted = steps.toSorted((a, b) => a.from - b.from)
    const overlap = sorted.some((step, i) => {
      const before = sorted[i - 1]
      return before !== undefined && before.from + before.count > step.from
    })
    if (overlap) throw new UserError(`${what}: two of these say something about the same id.`)
  }
}
