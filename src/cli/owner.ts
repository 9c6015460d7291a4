import type { IdRange, Ownership } from '../tree/host/owners.ts'
import { UserError } from './user-error.ts'

/** The largest id: chown(2) takes 2^32 - 1 as "leave it as it is". */
const MOST = 2 ** 32 - 2

/** `host`, `mapped-xattr`, or `UID:GID`, to which all files are shown to belong. */
export function parseOwner(text: string): Ownership {
  if (text === 'host' || text === 'mapped-xattr') return text
  const match = /^(\d{1,10}):(\d{1,10})$/.exec(text)
  const [uid, gid] = [Number(match?.[1]), Number(match?.[2])]
  if (match === null || uid > MOST || gid > MOST) {
    throw new UserError(
      `${text} is not an owner: use UID:GID in numbers, such as 0:0, or mapped-xattr, or host.`,
    )
  }
  return { uid, gid }
}

/** `GUEST:HOST:COUNT`. */
export function parseRange(text: string): IdRange {
  const match = /^(\d{1,10}):(\d{1,10}):(\d{1,10})$/.exec(text)
  const [guest = 0, host = 0, count = 0] = match?.slice(1).map(Number) ?? []
  if (match === null || count === 0 || Math.max(guest, host) + count - 1 > MOST) {
    throw new UserError(
      `${text} is not a range of ids: use GUEST:HOST:COUNT, such as 0:100000:65536.`,
    )
  }
  return { guest, host, count }
}

/** The ownership of --owner and --map together; `usual` where neither is given. */
export function parseOwnership(
  owner: string | undefined,
  maps: readonly string[],
  usual: Ownership,
): Ownership {
  if (maps.length === 0) return owner === undefined ? usual : parseOwner(owner)
  if (owner !== undefined) {
    throw new UserError('An owner and a map contradict each other: use --owner or --map.')
  }
  const ranges = maps.map(parseRange)
  for (const side of ['guest', 'host'] as const) {
    const sorted = ranges.toSorted((a, b) => a[side] - b[side])
    const overlap = sorted.some((range, i) => {
      const before = sorted[i - 1]
      return before !== undefined && before[side] + before.count > range[side]
    })
    if (overlap) throw new UserError(`The maps ${maps.join(' ')} overlap on the ${side}'s side.`)
  }
  return ranges
}

/** Takes `owner=` and `map=` out of the words behind a share or an export. @throws UserError for two owners. */
export function takeOwnership(
  words: readonly string[],
  usual: Ownership,
): { readonly owner: Ownership; readonly rest: readonly string[] } {
  const values = (name: string): string[] =>
    words.filter((word) => word.startsWith(name)).map((word) => word.slice(name.length))
  const [owner, second] = values('owner=')
  if (second !== undefined) {
    throw new UserError(
      `owner=${owner} and owner=${second}: an owner is given once. Say which one holds.`,
    )
  }
  return {
    owner: parseOwnership(owner, values('map='), usual),
    rest: words.filter((word) => !/^(?:owner|map)=/.test(word)),
  }
}
