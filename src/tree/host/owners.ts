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

/** The `count` ids from `from` on become others. */
export interface IdStep {
  readonly from: number
  readonly count: number
  /** What `from` becomes, and the others in order; null: they are refused (EPERM). */
  readonly to: number | null
  /** Whether all of them become `to`. */
  readonly isSquashed?: boolean | undefined
}

/** How ids of users, or of groups, are translated. The two directions are independent. */
export interface IdTranslation {
  readonly toHost: readonly IdStep[]
  readonly toGuest: readonly IdStep[]
}

/** Users and groups that are translated, each in its own way. */
export interface OwnerTranslation {
  readonly users: IdTranslation
  readonly groups: IdTranslation
  /**
   * Ids that no step names. `same`: they are the same on both sides. `none`: the guest sees nobody for the host's, and may
   * not use its own (EINVAL), as in a user namespace.
   */
  readonly others: 'same' | 'none'
}

/**
 * The owners that files have in the guest.
 *
 * - `host`: the owners on the host; changes are made on the host.
 * - a pair: all files have this user and group; changes succeed without effect.
 * - `mapped-xattr`: the owners that the guest gives them, see mapped-node.ts.
 * - ranges: ids are mapped as in a user namespace (user_namespaces(7)). An id in no range is shown as the
 * user nobody.
 * - a translation: users and groups apart, and each direction apart, as virtiofsd(1) has it.
 */
export type Ownership =
  | 'host'
  | 'mapped-xattr'
  | { readonly uid: number; readonly gid: number }
  | readonly IdRange[]
  | OwnerTranslation

/** An {@link Ownership}, as functions between ids of the host and ids of the guest. */
export interface Owners {
  /** Whether the guest's root is an ordinary user of the host. */
  readonly isMapped: boolean
  uid(host: number): number
  gid(host: number): number
  /**
   * The host's user for one that the guest names. UNCHANGED means "leave it as it is" and stays so. Where
   * guests cannot give files away, the result is always UNCHANGED.
   *
   * @throws EINVAL for an id that the host has no id for, as chown(2) in a user namespace; EPERM for one that is refused.
   */
  toHostUid(guest: number): number
  /** The same for a group. */
  toHostGid(guest: number): number
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
      toHostUid: () => UNCHANGED,
      toHostGid: () => UNCHANGED,
    }
  }
  return translated('users' in ownership ? ownership : translationOf(ownership))
}

const asOnHost: Owners = {
  isMapped: false,
  uid: (id) => id,
  gid: (id) => id,
  toHostUid: (id) => id,
  toHostGid: (id) => id,
}

function translationOf(ranges: readonly IdRange[]): OwnerTranslation {
  const ids = {
    toHost: ranges.map(({ guest, host, count }) => ({ from: guest, to: host, count })),
    toGuest: ranges.map(({ guest, host, count }) => ({ from: host, to: guest, count })),
  }
  return { users: ids, groups: ids, others: 'none' }
}

function translated({ users, groups, others }: OwnerTranslation): Owners {
  const toGuest = (steps: readonly IdStep[], id: number): number => {
    const step = stepOf(steps, id)
    if (step === undefined) return others === 'same' ? id : NOBODY
    return step.to === null ? NOBODY : stepped(step, step.to, id)
  }
  const toHost = (steps: readonly IdStep[], id: number): number => {
    if (id === UNCHANGED) return UNCHANGED
    const step = stepOf(steps, id)
    if (step === undefined) {
      if (others === 'same') return id
      throw new ErrnoError(errno.EINVAL, 'an id without a range')
    }
    if (step.to === null) throw new ErrnoError(errno.EPERM, 'a forbidden id')
    return stepped(step, step.to, id)
  }
  const root = stepOf(users.toHost, 0)
  return {
    isMapped: others === 'none' || (root !== undefined && root.to !== 0),
    uid: (id) => toGuest(users.toGuest, id),
    gid: (id) => toGuest(groups.toGuest, id),
    toHostUid: (id) => toHost(users.toHost, id),
    toHostGid: (id) => toHost(groups.toHost, id),
  }
}

function stepOf(steps: readonly IdStep[], id: number): IdStep | undefined {
  return steps.find(({ from, count }) => id >= from && id - from < count)
}

function stepped({ from, isSquashed }: IdStep, to: number, id: number): number {
  return isSquashed === true ? to : to + (id - from)
}
