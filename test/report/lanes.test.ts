import fc from 'fast-check'
import { expect, it } from 'vitest'
import { lanesOf } from '../../src/report/lanes.ts'

const interval = fc
  .record({ start: fc.nat(1000), length: fc.integer({ min: 1, max: 100 }) })
  .map(({ start, length }) => ({ start, end: start + length }))

it('never has two intervals of one lane at one time, nor more lanes than are needed', () => {
  fc.assert(
    fc.property(fc.array(interval), (unsorted) => {
      const intervals = unsorted.toSorted((a, b) => a.start - b.start)
      const lanes = lanesOf(intervals, 0)
      for (const [i, a] of intervals.entries()) {
        for (const [j, b] of intervals.entries()) {
          const mayMeet = i >= j || lanes[i] !== lanes[j]
          expect(mayMeet || b.start >= a.end).toBe(true)
        }
      }
      const most = Math.max(
        0,
        ...intervals.map(
          ({ start }) => intervals.filter((b) => b.start <= start && start < b.end).length,
        ),
      )
      expect(Math.max(0, ...lanes.map((lane) => lane + 1))).toBeLessThanOrEqual(Math.max(most, 1))
    }),
  )
})

it('keeps a gap', () => {
  const intervals = [
    { start: 0, end: 10 },
    { start: 12, end: 20 },
    { start: 15, end: 16 },
  ]
  expect(lanesOf(intervals, 0)).toEqual([0, 0, 1])
  expect(lanesOf(intervals, 5)).toEqual([0, 1, 0])
})
