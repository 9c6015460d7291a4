import type { Lock } from '../locks.ts'
import type { Work } from './interval-tree.ts'
import type { FileRanges } from './lock-ranges.ts'

/**
 * The most steps of one search, all loops included: some two milliseconds. A longer search is given up, and
 * the request waits as any other does, so a circle that is not found ends when the first of its requests has
 * waited for as long as requests may.
 */
export const SEARCH_STEPS = 20_000

/** A lock that a request asks for, the key of its owner, and the ranges of its file. */
export interface Wish {
  readonly lock: Lock
  readonly key: string
  readonly ranges: FileRanges
}

/**
 * Whether the owner of `wish` would wait for itself, through other owners that wait. The search goes from
 * each owner that waits to those that it waits for.
 *
 * @param waiting the wishes of all owners that wait, by the owner's key.
 */
export function isDeadlock(
  wish: Wish,
  waiting: ReadonlyMap<string, ReadonlySet<Wish>>,
  work: Work,
): boolean {
  const last = work.steps + SEARCH_STEPS
  const reached = new Set<string>()
  const wishes = [wish]
  // The list grows during the loop.
  for (const each of wishes) {
    for (const key of candidates(each, waiting)) {
      if (++work.steps > last) return false
      if (key === each.key || reached.has(key)) continue
      const next = waiting.get(key)
      if (next === undefined || !each.ranges.blocks(key, each.lock)) continue
      reached.add(key)
      for (const one of next) {
        if (++work.steps > last) return false
        if (one.ranges.blocks(wish.key, one.lock)) return true
        wishes.push(one)
      }
    }
  }
  return false
}

/**
 * Owners among which are all that a wish waits for and that wait themselves: those that hold the ranges in
 * its way; or, if there are more of these than of others, all owners of its file, or all that wait.
 */
function candidates(
  { lock, key, ranges }: Wish,
  waiting: ReadonlyMap<string, unknown>,
): Iterable<string> {
  const few = ranges.owners.size < waiting.size ? ranges.owners : waiting
  return ranges.conflicts(key, lock, few.size) ?? few.keys()
}
