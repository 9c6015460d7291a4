import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { changed, type HeldList, inTheWay, strongest } from '../../../src/tree/host/lock-ranges.ts'
import type { LockOwner, LockType } from '../../../src/tree/locks.ts'

const BYTES = 12
const owners: LockOwner[] = ['a', 'b', 'c'].map((clientId, procId) => ({
  client: { most: 100, held: 0, refusal: () => new Error('too many') },
  clientId,
  procId,
}))
const files = [{}, {}]

const range = fc
  .tuple(fc.integer({ min: 0, max: BYTES - 1 }), fc.integer({ min: 0, max: BYTES - 1 }))
  .map(([a, b]) => ({ start: BigInt(Math.min(a, b)), end: BigInt(Math.max(a, b)) }))

const change = fc
  .tuple(
    range,
    fc.constantFrom<LockType | null>('read', 'write', null),
    fc.constantFrom(...owners),
    fc.constantFrom(...files),
  )
  .map(([{ start, end }, type, owner, through]) => ({ start, end, type, owner, through }))

/** What an owner holds, one entry for each byte. */
type Model = Map<LockOwner, ({ type: LockType; through: object } | null)[]>

function modelOf(list: HeldList): Model {
  const model: Model = new Map(owners.map((owner) => [owner, Array(BYTES).fill(null)]))
  for (const { owner, start, end, type, through } of list) {
    for (let byte = Number(start); byte <= Number(end); byte++) {
      // One owner's ranges never overlap.
      expect(model.get(owner)![byte]).toBe(null)
      model.get(owner)![byte] = { type, through }
    }
  }
  return model
}

describe('the ranges that are held', () => {
  it('are, byte for byte, what each owner asked for last', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
        const model = modelOf([])
        let list: HeldList = []
        for (const each of changes) {
          list = changed(list, each)
          const { type, through } = each
          for (let byte = Number(each.start); byte <= Number(each.end); byte++) {
            model.get(each.owner)![byte] = type === null ? null : { type, through }
          }
          expect(modelOf(list)).toEqual(model)
        }
      }),
    )
  })

  it('are as few as there can be', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
        let list: HeldList = []
        for (const each of changes) list = changed(list, each)
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

  it('show the host the strongest of all, in parts that differ', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), range, (changes, where) => {
        let list: HeldList = []
        for (const each of changes) list = changed(list, each)
        const model = modelOf(list)
        const parts = strongest(list, where)
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
        parts.slice(1).forEach((part, i) => expect(part.type).not.toBe(parts[i]!.type))
      }),
    )
  })

  it('are cut, joined and replaced', () => {
    const [owner, other] = owners as [LockOwner, LockOwner]
    const through = files[0]!
    const held = (list: HeldList): string[] =>
      list.map(({ type, start, end }) => `${type} ${start}-${end}`).toSorted()
    const set = (list: HeldList, type: LockType | null, start: bigint, end: bigint): HeldList =>
      changed(list, { type, start, end, owner, through })
    let list = set([], 'write', 10n, 19n)
    list = set(list, 'read', 13n, 15n)
    expect(held(list)).toEqual(['read 13-15', 'write 10-12', 'write 16-19'])
    list = set(list, 'write', 12n, 16n)
    expect(held(list)).toEqual(['write 10-19'])
    list = set(list, null, 19n, 2n ** 63n - 1n)
    list = set(list, 'write', 19n, 2n ** 63n - 1n)
    expect(held(list)).toEqual([`write 10-${2n ** 63n - 1n}`])
    list = changed(list, { type: 'read', start: 0n, end: 9n, owner: other, through })
    list = changed(list, { type: 'write', start: 0n, end: 9n, owner, through: files[1]! })
    expect(held(list)).toEqual(['read 0-9', 'write 0-9', `write 10-${2n ** 63n - 1n}`])
  })

  it('stand in the way of others unless all read', () => {
    const [a, b] = owners as [LockOwner, LockOwner]
    const at = (type: LockType, owner: LockOwner, start: number, end: number) => ({
      type,
      owner,
      start: BigInt(start),
      end: BigInt(end),
    })
    expect(inTheWay(at('read', a, 0, 9), at('read', b, 5, 5))).toBe(false)
    expect(inTheWay(at('write', a, 0, 9), at('read', b, 9, 20))).toBe(true)
    expect(inTheWay(at('read', a, 0, 9), at('write', b, 9, 20))).toBe(true)
    expect(inTheWay(at('write', a, 0, 9), at('write', b, 10, 20))).toBe(false)
    expect(inTheWay(at('write', a, 0, 9), at('write', a, 5, 20))).toBe(false)
    expect(inTheWay(at('write', a, 0, 9), at('write', { ...a, procId: 99 }, 5, 20))).toBe(true)
    expect(inTheWay(at('write', a, 0, 9), at('write', { ...a, clientId: 'x' }, 5, 20))).toBe(true)
    const client = { most: 1, held: 0, refusal: (): Error => new Error('too many') }
    expect(inTheWay(at('write', a, 0, 9), at('write', { ...a, client }, 5, 20))).toBe(true)
  })
})
