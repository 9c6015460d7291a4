import type { Lock, LockOwner, LockRange, LockType } from '../locks.ts'

/** A locked range of a file, and the open file through which it was locked. */
export interface Held extends Lock {
  readonly through: object
}

/** The locked ranges of a file, in no order. The ranges of one owner never overlap. */
export type HeldList = readonly Held[]

/** A change: the lock that `owner` has in the range from now on; null for none. */
export interface Change extends LockRange {
  readonly owner: LockOwner
  readonly type: LockType | null
  readonly through: object
}

export function sameOwner(a: LockOwner, b: LockOwner): boolean {
  return a.procId === b.procId && a.client === b.client && a.clientId === b.clientId
}

/** Whether `held` conflicts with `lock`. */
export function inTheWay(held: Lock, lock: Lock): boolean {
  return (
    held.start <= lock.end &&
    held.end >= lock.start &&
    (held.type === 'write' || lock.type === 'write') &&
    !sameOwner(held.owner, lock.owner)
  )
}

/**
 * The list after a change, as fcntl(2) has it: the owner's ranges are cut or replaced, and ranges of the same
 * type that touch then become one.
 */
export function changed(list: HeldList, change: Change): HeldList {
  const { owner, type, through } = change
  let { start, end } = change
  const next: Held[] = []
  for (const held of list) {
    if (!sameOwner(held.owner, owner)) {
      next.push(held)
      continue
    }
    const touches = held.start <= change.end + 1n && held.end >= change.start - 1n
    if (touches && held.type === type && held.through === through) {
      if (held.start < start) start = held.start
      if (held.end > end) end = held.end
      continue
    }
    if (held.end < change.start || held.start > change.end) {
      next.push(held)
      continue
    }
    if (held.start < change.start) next.push({ ...held, end: change.start - 1n })
    if (held.end > change.end) next.push({ ...held, start: change.end + 1n })
  }
  if (type !== null) next.push({ start, end, type, owner, through })
  return next
}

/** A part of a file, and the strongest lock that any owner has on all of it; null for none. */
interface Part extends LockRange {
  readonly type: LockType | null
}

/** Divides `range` into parts, in order. Neighbours differ in their type. */
export function strongest(list: HeldList, range: LockRange): Part[] {
  // The places within the range at which the number of readers or writers changes.
  const steps = new Map<bigint, { read: number; write: number }>([
    [range.start, { read: 0, write: 0 }],
  ])
  const step = (at: bigint, type: LockType, by: number): void => {
    const found = steps.get(at) ?? { read: 0, write: 0 }
    found[type] += by
    steps.set(at, found)
  }
  for (const { start, end, type } of list) {
    if (end < range.start || start > range.end) continue
    step(start > range.start ? start : range.start, type, 1)
    if (end < range.end) step(end + 1n, type, -1)
  }

  const parts: { start: bigint; end: bigint; type: LockType | null }[] = []
  const counts = { read: 0, write: 0 }
  for (const [start, { read, write }] of [...steps].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    counts.read += read
    counts.write += write
    const type = counts.write > 0 ? 'write' : counts.read > 0 ? 'read' : null
    const before = parts.at(-1)
    if (before?.type === type) continue
    if (before !== undefined) before.end = start - 1n
    parts.push({ start, end: range.end, type })
  }
  return parts
}
