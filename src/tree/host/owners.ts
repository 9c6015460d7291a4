import { ErrnoError, errno } from '../../sys/errno.ts'
import { UNCHANGED } from '../../sys/files.ts'

/**
 * Ids from `guest` on stand for the host's ids from `host` on, `count` of them; for users and groups alike.
 */
export interface IdRange {
  readonly guest: number
  readonly host: number
  readonly count: number
}

/**
 * The owners that files have in the guest.
 *
 * - `host`: the owners on the host; changes are made on the host.
 * - a pair: all files have this user and group; changes succeed without effect.
 * - `mapped-xattr`: the owners that the guest gives them, see mapped-node.ts.
 * - ranges: ids are mapped as in a user namespace (user_namespaces(7)). An id in no range is shown as the
 * user nobody.
 */
export type Ownership =
  | 'host'
  | 'mapped-xattr'
  | { readonly uid: number; readonly gid: number }
  | readonly IdRange[]

/** An {@link Ownership}, as functions between ids of the host and ids of the guest. */
export interface Owners {
  /** Whether ids are mapped by ranges, so that the guest's root is an ordinary user of the host. */
  readonly isMapped: boolean
  uid(host: number): number
  gid(host: number): number
  /**
   * The host's id for an id that the guest names. UNCHANGED means "leave it as it is" and stays so. Where
   * guests cannot give files away, the result is always UNCHANGED.
   *
   * @throws EINVAL for an id that the host has no id for, as chown(2) in a user namespace.
   */
  toHost(guest: number): number
}

/** What the guest sees for an id in no range: the kernel's overflow id (/proc/sys/kernel/overflowuid). */
const NOBODY = 65534

export function ownersOf(ownership: Ownership): Owners {
  if (typeof ownership === 'string') return asOnHost
  if ('uid' in ownership) {
    return {
      isMapped: false,
      uid: () => ownership.uid,
      gid: () => ownership.gid,
      toHost: () => UNCHANGED,
    }
  }
  const toGuest = (id: number): number => mapped(ownership, 'host', 'guest', id) ?? NOBODY
  return {
    isMapped: true,
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

const asOnHost: Owners = {
  isMapped: false,
  uid: (id) => id,
  gid: (id) => id,
  toHost: (id) => id,
}

function mapped(
  ranges: readonly IdRange[],
  from: 'guest' | 'host',
  to: 'guest' | 'host',
  id: number,
): number | undefined {
  const range = ranges.find((each) => id >= each[from] && id - each[from] < each.count)
  return range && range[to] + (id - range[from])
}
