import { ErrnoError, errno } from '../../sys/errno.ts'
import { UNCHANGED } from '../../sys/files.ts'

/** Ids from `guest` on are the host's from `host` on, `count` of them; for users and groups alike. */
export interface IdRange {
  readonly guest: number
  readonly host: number
  readonly count: number
}

/**
 * The owners that files have in the guest.
 *
 * - `host`: their owners on the host; changes are passed on.
 * - a pair: all files have that user and group; changes are accepted without effect.
 * - `mapped-xattr`: the owners that the guest gives them, see mapped-node.ts.
 * - ranges: as a user namespace maps ids (user_namespaces(7)). An id in no range is the user nobody.
 */
export type Ownership =
  | 'host'
  | 'mapped-xattr'
  | { readonly uid: number; readonly gid: number }
  | readonly IdRange[]

/** An {@link Ownership} as functions between the host's numbers and the guest's. */
export interface Owners {
  uid(host: number): number
  gid(host: number): number
  /**
   * The host's number for one that the guest names. UNCHANGED means "leave it as it is": it stays so, and
   * where guests cannot give files away every number becomes it.
   *
   * @throws EINVAL for one that the host has no number for, as chown(2) in a user namespace.
   */
  toHost(guest: number): number
}

/** The id in the guest for one in no range: the kernel's overflow id (/proc/sys/kernel/overflowuid). */
const NOBODY = 65534

export function ownersOf(ownership: Ownership): Owners {
  if (typeof ownership === 'string') return asOnHost
  if ('uid' in ownership) {
    return { uid: () => ownership.uid, gid: () => ownership.gid, toHost: () => UNCHANGED }
  }
  const toGuest = (id: number): number => mapped(ownership, 'host', 'guest', id) ?? NOBODY
  return {
    uid: toGuest,
    gid: toGuest,
    toHost(id) {
      if (id === UNCHANGED) return UNCHANGED
      const host = mapped(ownership, 'guest', 'host', id)
      if (host === undefined) throw new ErrnoError(errno.EINVAL, 'an id without a range')
      return host
    },
  }
}

const asOnHost: Owners = { uid: (id) => id, gid: (id) => id, toHost: (id) => id }

function mapped(
  ranges: readonly IdRange[],
  from: 'guest' | 'host',
  to: 'guest' | 'host',
  id: number,
): number | undefined {
  const range = ranges.find((each) => id >= each[from] && id - each[from] < each.count)
  return range && range[to] + (id - range[from])
}
