import { OFFSET_MAX } from '../limits.ts'
import type { Lock, LockOwner, LockRange, LockType } from '../locks.ts'
import { type Interval, IntervalTree, type Work } from './interval-tree.ts'

/** A locked range of a file, its owner's key, and the open file through which it was locked. */
export interface Held extends Lock, Interval {
  readonly key: string
  readonly through: object
}

/** A change: the lock that `owner` has in the range from now on; null for none. */
export interface Change extends LockRange {
  readonly owner: LockOwner
  readonly type: LockType | null
  readonly through: object
}

/** A part of a file, and the strongest lock that any owner has on all of it; null for none. */
export interface Part extends LockRange {
  readonly type: LockType | null
}

/** The ranges of one owner, by their type. Each list is in order, and no two ranges of an owner overlap. */
type OwnRanges = { readonly [Type in LockType]: Held[] }

/** In the owner's list of `type`, `removed` at the index `from` become `added`. */
interface Replacement {
  readonly type: LockType
  readonly from: number
  readonly removed: readonly Held[]
  readonly added: readonly Held[]
}

/** What a change does to the ranges of its owner. */
export interface Plan {
  readonly key: string
  readonly owner: LockOwner
  /** Whether the owner gives up a write lock, also for a read lock. */
  readonly weakens: boolean
  /** How many ranges the owner has more afterwards; negative for fewer. */
  readonly more: number
  readonly replacements: readonly Replacement[]
}

const types = ['read', 'write'] as const

/** What a binary search in the ranges of one owner costs in steps of {@link Work}. */
const SEARCH_STEPS = 4

const clientNumbers = new WeakMap<object, number>()
let clients = 0
let ids = 0

/** A string that stands for an owner: two owners are the same if their keys are. */
export function keyOf({ client, procId, clientId }: LockOwner): string {
  let number = clientNumbers.get(client)
  if (number === undefined) clientNumbers.set(client, (number = ++clients))
  return `${number}/${procId}/${clientId}`
}

/**
 * The locked ranges of one file. What a change, a conflict or the next part costs does not depend on the
 * number of all ranges, except for its logarithm: only on how many of the owner's own ranges it concerns.
 */
export class FileRanges {
  readonly #owners = new Map<string, OwnRanges>()
  readonly #all: { readonly [Type in LockType]: IntervalTree<Held> }
  readonly #through = new Map<object, Set<Held>>()
  readonly #work: Work
  #size = 0

  /** @param work counts the steps. */
  constructor(work: Work) {
    this.#work = work
    this.#all = { read: new IntervalTree(work), write: new IntervalTree(work) }
  }

  /** The number of ranges of all owners. */
  get size(): number {
    return this.#size
  }

  /** The keys of all owners that hold a range. */
  get owners(): ReadonlyMap<string, unknown> {
    return this.#owners
  }

  /** The largest end of all ranges; -1n if there are none. */
  get lastEnd(): bigint {
    const [read, write] = types.map((type) => this.#all[type].reach(OFFSET_MAX)) as [bigint, bigint]
    return read > write ? read : write
  }

  /** Whether the owner holds anything in the range. */
  holds(key: string, range: LockRange): boolean {
    return this.blocks(key, { type: 'write', ...range })
  }

  /** Whether the owner holds a range that conflicts with another owner's `wish`. */
  blocks(key: string, { type, start, end }: LockRange & { readonly type: LockType }): boolean {
    const own = this.#owners.get(key)
    if (own === undefined) return false
    this.#work.steps += SEARCH_STEPS
    return overlaps(own.write, start, end) || (type === 'write' && overlaps(own.read, start, end))
  }

  /** The first range, by its start, of an owner other than `key` that conflicts with a lock. */
  conflict(key: string, { type, start, end }: LockRange & Pick<Lock, 'type'>): Held | undefined {
    const isOther = (held: Held): boolean => held.key !== key
    const written = this.#all.write.first(start, end, isOther)
    if (type === 'read') return written
    const read = this.#all.read.first(start, written?.start ?? end, isOther)
    return read === undefined || (written && written.start <= read.start) ? written : read
  }

  /**
   * The keys of all owners other than `key` with a range that conflicts with a lock.
   *
   * @returns undefined if there are more than `most` such ranges.
   */
  conflicts(
    key: string,
    { type, start, end }: LockRange & Pick<Lock, 'type'>,
    most: number,
  ): ReadonlySet<string> | undefined {
    const keys = new Set<string>()
    let left = most
    const isTooMany = (held: Held): boolean => {
      if (held.key !== key) keys.add(held.key)
      return left-- === 0
    }
    if (this.#all.write.first(start, end, isTooMany) !== undefined) return undefined
    if (type === 'read') return keys
    return this.#all.read.first(start, end, isTooMany) === undefined ? keys : undefined
  }

  /**
   * What a change would do, as fcntl(2) has it: the owner's ranges are cut or replaced, and ranges of the
   * same type that touch then become one.
   */
  plan(key: string, change: Change): Plan {
    const own = this.#owners.get(key)
    const replacements = types.map((type) => replacement(own?.[type] ?? [], type, key, change))
    let more = 0
    let weakens = false
    for (const { type, removed, added } of replacements) {
      more += added.length - removed.length
      if (type === 'write' && change.type !== 'write' && removed.length > 0) weakens = true
    }
    return { key, owner: change.owner, weakens, more, replacements }
  }

  /** Carries out a plan. Nothing may have changed since it was made. */
  apply({ key, owner, more, replacements }: Plan): void {
    let own = this.#owners.get(key)
    if (own === undefined) this.#owners.set(key, (own = { read: [], write: [] }))
    for (const { type, from, removed, added } of replacements) {
      own[type].splice(from, removed.length, ...added)
      for (const held of removed) this.#forget(held)
      for (const held of added) this.#keep(held)
    }
    this.#size += more
    owner.client.held += more
    if (own.read.length === 0 && own.write.length === 0) this.#owners.delete(key)
  }

  /** Carries out the opposite of a plan, directly after {@link apply}. */
  revert(plan: Plan): void {
    const replacements = plan.replacements.map(({ removed, added, ...rest }) => {
      return { ...rest, removed: added, added: removed }
    })
    this.apply({ ...plan, more: -plan.more, replacements })
  }

  /** The ranges that were locked through an open file. */
  through(file: object): Iterable<Held> {
    return this.#through.get(file) ?? []
  }

  /** Forgets them. @returns the range in which all of them lie; undefined if there are none. */
  close(file: object): LockRange | undefined {
    const gone = this.#through.get(file)
    if (gone === undefined) return undefined
    this.#through.delete(file)
    let start = OFFSET_MAX
    let end = 0n
    const keys = new Set<string>()
    for (const held of gone) {
      if (held.start < start) start = held.start
      if (held.end > end) end = held.end
      keys.add(held.key)
      this.#all[held.type].delete(held)
      held.owner.client.held--
      const list = this.#owners.get(held.key)?.[held.type] ?? []
      // Many are taken out of their lists together: each time the ranges behind one have to move.
      if (gone.size < TOGETHER) list.splice(indexAt(list, held.start), 1)
    }
    this.#size -= gone.size
    for (const key of keys) {
      let own = this.#owners.get(key) as OwnRanges
      if (gone.size >= TOGETHER) {
        this.#work.steps += own.read.length + own.write.length
        const stays = (held: Held): boolean => held.through !== file
        own = { read: own.read.filter(stays), write: own.write.filter(stays) }
        this.#owners.set(key, own)
      }
      if (own.read.length === 0 && own.write.length === 0) this.#owners.delete(key)
    }
    return { start, end }
  }

  /**
   * The part of the file that begins at `at`, and ends at `end` or before. The next part may have the same
   * type.
   */
  partAt(at: bigint, end: bigint): Part {
    const { read, write } = this.#all
    const written = write.reach(at)
    if (written >= at) return { type: 'write', start: at, end: smaller(written, end) }
    const nextWrite = write.next(at)
    const limit = nextWrite === undefined ? end : smaller(nextWrite - 1n, end)
    let reach = read.reach(at)
    if (reach < at) {
      const nextRead = read.next(at)
      return {
        type: null,
        start: at,
        end: nextRead === undefined ? limit : smaller(nextRead - 1n, limit),
      }
    }
    // Readers that overlap or touch make one part, as long as that is found soon.
    for (let joined = 0; joined < JOINED_MOST && reach < limit; joined++) {
      const further = read.reach(reach + 1n)
      if (further <= reach) break
      reach = further
    }
    return { type: 'read', start: at, end: smaller(reach, limit) }
  }

  #keep(held: Held): void {
    this.#all[held.type].add(held)
    const others = this.#through.get(held.through)
    if (others === undefined) this.#through.set(held.through, new Set([held]))
    else others.add(held)
  }

  #forget(held: Held): void {
    this.#all[held.type].delete(held)
    const others = this.#through.get(held.through)
    others?.delete(held)
    if (others?.size === 0) this.#through.delete(held.through)
  }
}

/** From so many ranges on that end together, their owners' lists are made anew. */
const TOGETHER = 64

/** How many readers' ranges are joined to one part, so that a part is found after so many steps. */
const JOINED_MOST = 64

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

/** The index of the first range of a list that ends at `at` or behind it. */
function indexAt(list: readonly Held[], at: bigint): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((list[middle] as Held).end < at) low = middle + 1
    else high = middle
  }
  return low
}

function overlaps(list: readonly Held[], start: bigint, end: bigint): boolean {
  const found = list[indexAt(list, start)]
  return found !== undefined && found.start <= end
}

function replacement(
  list: readonly Held[],
  type: LockType,
  key: string,
  change: Change,
): Replacement {
  const { owner, through } = change
  let { start, end } = change
  const left: Held[] = []
  const right: Held[] = []
  // From the range that touches the change on its left to the one that touches it on its right.
  let from = indexAt(list, start - 1n)
  let to = from
  for (
    let held = list[to];
    held !== undefined && held.start <= change.end + 1n;
    held = list[++to]
  ) {
    if (held.type === change.type && held.through === through) {
      if (held.start < start) start = held.start
      if (held.end > end) end = held.end
    } else if (held.end < change.start) {
      from++
    } else if (held.start > change.end) {
      break
    } else {
      if (held.start < change.start) left.push({ ...held, id: ++ids, end: change.start - 1n })
      if (held.end > change.end) right.push({ ...held, id: ++ids, start: change.end + 1n })
    }
  }
  const added = [...left]
  if (change.type === type) added.push({ start, end, type, owner, key, through, id: ++ids })
  added.push(...right)
  return { type, from, removed: list.slice(from, to), added }
}
