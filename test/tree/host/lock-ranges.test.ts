import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { Work } from '../../../src/tree/host/interval-tree.ts'
import {
  type Change,
  FileRanges,
  type Held,
  keyOf,
  type Part,
} from '../../../src/tree/host/lock-ranges.ts'
import type { LockOwner, LockRange, LockType } from '../../../src/tree/locks.ts'

const BYTES = 12
const OFFSET_MAX = 2n ** 63n - 1n
const owners: LockOwner[] = ['a', 'b', 'c'].map((clientId, procId) => ({
  client: { most: 100, held: 0, refusal: () => new Error('too many') },
  clientId,
  procId,
}))
const files = [{}, {}]

const range = fc
  .tuple(fc.integer({ min: 0, max: BYTES - 1 }), fc.integer({ min: 0, max: BYTES - 1 }))
  .map(([a, b]) => ({ start: BigInt(Math.min(a, b)), end: BigInt(Math.max(a, b)) }))

const anyChange = fc
  .tuple(
    range,
    fc.constantFrom<LockType | null>('read', 'write', null),
    fc.constantFrom(...owners),
    fc.constantFrom(...files),
  )
  .map(([{ start, end }, type, owner, through]) => ({ start, end, type, owner, through }))

/** What an owner holds, one entry for each byte. */
type Model = Map<LockOwner, ({ type: LockType; through: object } | null)[]>

function rangesAfter(changes: readonly Change[]): FileRanges {
  const ranges = new FileRanges(new Work())
  for (const each of changes) set(ranges, each)
  return ranges
}

function set(ranges: FileRanges, each: Change): void {
  ranges.apply(ranges.plan(keyOf(each.owner), each))
}

function heldIn(ranges: FileRanges): Held[] {
  return files.flatMap((file) => [...ranges.through(file)])
}

function modelOf(ranges: FileRanges): Model {
  const model: Model = new Map(owners.map((owner) => [owner, Array(BYTES).fill(null)]))
  for (const { owner, start, end, type, through } of heldIn(ranges)) {
    for (let byte = Number(start); byte <= Number(end); byte++) {
      // One owner's ranges never overlap.
      expect(model.get(owner)![byte]).toBe(null)
      model.get(owner)![byte] = { type, through }
    }
  }
  return model
}

function modelAfter(changes: readonly Change[]): Model {
  const model = modelOf(rangesAfter([]))
  for (const { owner, type, through, start, end } of changes) {
    for (let byte = Number(start); byte <= Number(end); byte++) {
      model.get(owner)![byte] = type === null ? null : { type, through }
    }
  }
  return model
}

function partsOf(ranges: FileRanges, { start, end }: LockRange): Part[] {
  const parts: Part[] = []
  for (let at = start; at <= end; at = parts.at(-1)!.end + 1n) parts.push(ranges.partAt(at, end))
  return parts
}

beforeEach(() => {
  for (const { client } of owners) client.held = 0
})

describe('the ranges that are held', () => {
  it('are, byte for byte, what each owner asked for last', () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 20 }), (changes) => {
        for (const { client } of owners) client.held = 0
        const ranges = rangesAfter(changes)
        expect(modelOf(ranges)).toEqual(modelAfter(changes))
        const held = heldIn(ranges)
        expect(ranges.size).toBe(held.length)
        expect(owners.map(({ client }) => client.held)).toEqual(
          owners.map((owner) => held.filter((each) => each.owner === owner).length),
        )
      }),
    )
  })

  it('are as few as there can be', () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 20 }), (changes) => {
        const list = heldIn(rangesAfter(changes))
        for (const a of list) {
          const follows = list.some(
            (b) =>
              b.owner === a.owner &&
              b.type === a.type &&
              b.through === a.through &&
              b.start === a.end + 1n,
          )
          expect(follows).toBe(false)
        }
      }),
    )
  })

  it('are as before when a change is taken back', () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 20 }), anyChange, (changes, last) => {
        const ranges = rangesAfter(changes)
        const plan = ranges.plan(keyOf(last.owner), last)
        ranges.apply(plan)
        ranges.revert(plan)
        expect(modelOf(ranges)).toEqual(modelAfter(changes))
      }),
    )
  })

  it('end with the open file that they were taken through', () => {
    fc.assert(
      fc.property(
        fc.array(anyChange, { maxLength: 20 }),
        fc.constantFrom(...files),
        (changes, file) => {
          const ranges = rangesAfter(changes)
          const before = [...ranges.through(file)]
          const around = ranges.close(file)
          const model = modelAfter(changes)
          for (const bytes of model.values()) {
            for (const [byte, held] of bytes.entries()) {
              if (held?.through === file) bytes[byte] = null
            }
          }
          expect(modelOf(ranges)).toEqual(model)
          const numbers = before.flatMap(({ start, end }) => [Number(start), Number(end)])
          expect(around).toEqual(
            before.length === 0
              ? undefined
              : { start: BigInt(Math.min(...numbers)), end: BigInt(Math.max(...numbers)) },
          )
        },
      ),
    )
  })

  it('end together as well when they are very many, of several owners', () => {
    const ranges = rangesAfter([])
    const [mine, other] = files as [object, object]
    for (let i = 0n; i < 300n; i++) {
      const owner = owners[Number(i) % 3]!
      const type = i % 2n === 0n ? 'read' : 'write'
      const through = i % 10n === 0n ? other : mine
      set(ranges, { start: 2n * i, end: 2n * i, type, owner, through })
    }
    expect(ranges.close(mine)).toEqual({ start: 2n, end: 598n })
    expect([ranges.size, heldIn(ranges).length]).toEqual([30, 30])
    expect(owners.map(({ client }) => client.held)).toEqual([10, 10, 10])
    ranges.close(other)
    expect([ranges.size, ranges.owners.size, ranges.lastEnd]).toEqual([0, 0, -1n])
  })

  it('show the host the strongest of all', () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 20 }), range, (changes, where) => {
        const model = modelAfter(changes)
        const parts = partsOf(rangesAfter(changes), where)
        let next = where.start
        for (const { start, end, type } of parts) {
          expect(start).toBe(next)
          next = end + 1n
          for (let byte = Number(start); byte <= Number(end); byte++) {
            const all = new Set(owners.map((owner) => model.get(owner)![byte]?.type))
            const expected = all.has('write') ? 'write' : all.has('read') ? 'read' : null
            expect(type).toBe(expected)
          }
        }
        expect(next).toBe(where.end + 1n)
        // Only two writers that touch are two parts.
        for (const [i, part] of parts.slice(1).entries()) {
          expect(part.type === 'write' || part.type !== parts[i]!.type).toBe(true)
        }
      }),
    )
  })

  it('are in the way of others unless all read, and the first one is found', () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 20 }), anyChange, (changes, wish) => {
        const ranges = rangesAfter(changes)
        const { start, end, owner } = wish
        const type = wish.type ?? 'read'
        const inTheWay = heldIn(ranges).filter(
          (held) =>
            held.owner !== owner &&
            held.start <= end &&
            held.end >= start &&
            (held.type === 'write' || type === 'write'),
        )
        const found = ranges.conflict(keyOf(owner), { start, end, type })
        const starts = inTheWay.map((held) => Number(held.start))
        expect(found && Number(found.start)).toBe(
          starts.length === 0 ? undefined : Math.min(...starts),
        )
        expect(found === undefined || inTheWay.includes(found)).toBe(true)
        const wanted = { start, end, type }
        const keys = new Set(inTheWay.map((held) => held.key))
        const others = owners.filter((each) => each !== owner)
        const blocking = others.filter((each) => ranges.blocks(keyOf(each), wanted))
        expect(new Set(blocking.map((each) => keyOf(each)))).toEqual(keys)
        expect(ranges.conflicts(keyOf(owner), wanted, 100)).toEqual(keys)
        // It gives up where there are more ranges than it may look at.
        expect(ranges.conflicts(keyOf(owner), wanted, 0)?.size ?? 0).toBe(0)
        expect(ranges.holds(keyOf(owner), { start, end })).toBe(
          heldIn(ranges).some(
            (held) => held.owner === owner && held.start <= end && held.end >= start,
          ),
        )
      }),
    )
  })

  it('are cut, joined and replaced', () => {
    const [owner, other] = owners as [LockOwner, LockOwner]
    const through = files[0]!
    const ranges = rangesAfter([])
    const held = (): string[] =>
      heldIn(ranges)
        .map(({ type, start, end }) => `${type} ${start}-${end}`)
        .toSorted()
    const change = (type: LockType | null, start: bigint, end: bigint): void =>
      set(ranges, { type, start, end, owner, through })
    change('write', 10n, 19n)
    change('read', 13n, 15n)
    expect(held()).toEqual(['read 13-15', 'write 10-12', 'write 16-19'])
    change('write', 12n, 16n)
    expect(held()).toEqual(['write 10-19'])
    change(null, 19n, 2n ** 63n - 1n)
    change('write', 19n, 2n ** 63n - 1n)
    expect(held()).toEqual([`write 10-${2n ** 63n - 1n}`])
    set(ranges, { type: 'read', start: 0n, end: 9n, owner: other, through })
    set(ranges, { type: 'write', start: 0n, end: 9n, owner, through: files[1]! })
    expect(held()).toEqual(['read 0-9', 'write 0-9', `write 10-${2n ** 63n - 1n}`])
    expect(ranges.lastEnd).toBe(2n ** 63n - 1n)
  })

  it('belong to one owner only if client, process and client_id are the same', () => {
    const [a] = owners as [LockOwner]
    const client = { most: 1, held: 0, refusal: (): Error => new Error('too many') }
    expect(keyOf({ ...a })).toBe(keyOf(a))
    for (const other of [{ procId: 99 }, { clientId: 'x' }, { client }]) {
      expect(keyOf({ ...a, ...other })).not.toBe(keyOf(a))
    }
    expect(keyOf({ ...a, procId: 1, clientId: '1/1' })).not.toBe(
      keyOf({ ...a, procId: 11, clientId: '1' }),
    )
  })

  it('cost a change and a question little, however many there are', () => {
    const work = new Work()
    const ranges = new FileRanges(work)
    const [owner, other] = owners as [LockOwner, LockOwner]
    const through = files[0]!
    const steps = (act: () => void): number => {
      const before = work.steps
      act()
      return work.steps - before
    }
    const most = { adding: 0, asking: 0, parts: 0 }
    for (let i = 0n; i < 8192n; i++) {
      const at = 2n * ((i * 5003n) % 8192n)
      const lock = { start: at, end: at, type: 'read', owner, through } as const
      most.adding = Math.max(
        most.adding,
        steps(() => set(ranges, lock)),
      )
    }
    for (let at = 0n; at < 16384n; at += 61n) {
      const wish = { start: at, end: OFFSET_MAX, type: 'write' } as const
      most.asking = Math.max(
        most.asking,
        steps(() => ranges.conflict(keyOf(other), wish)),
      )
      most.parts = Math.max(
        most.parts,
        steps(() => ranges.partAt(at, OFFSET_MAX)),
      )
    }
    // 1.44 · log2(8192) = 18.7, for each of the two trees and both ways in one.
    expect(most.adding).toBeLessThan(40)
    expect(most.asking).toBeLessThan(40)
    expect(most.parts).toBeLessThan(80)
  })
})
