import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Timer, TimerHeap } from '../../src/server/timer-heap.ts'

describe('a heap of timers', () => {
  it('gives them by their time, those of the same time as they came, without those removed', () => {
    const step = fc.oneof(
      fc.record({ add: fc.integer({ min: 0, max: 20 }) }),
      fc.record({ remove: fc.nat() }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const heap = new TimerHeap<Timer>()
        const model: Timer[] = []
        /** What removing a timer has returned: once, and once more. */
        const removals: boolean[] = []
        for (const [number, each] of steps.entries()) {
          if ('add' in each) {
            const timer = { at: each.add, number, index: -1 }
            heap.add(timer)
            model.push(timer)
          } else if (model.length > 0) {
            const [gone] = model.splice(each.remove % model.length, 1) as [Timer]
            removals.push(heap.remove(gone), heap.remove(gone))
          }
          expect(heap.size).toBe(model.length)
        }
        expect(removals).toEqual(removals.map((_, i) => i % 2 === 0))
        model.sort((a, b) => a.at - b.at || a.number - b.number)
        const drained: Timer[] = []
        for (let first = heap.first; first !== undefined; first = heap.first) {
          heap.remove(first)
          drained.push(first)
        }
        expect(drained).toEqual(model)
      }),
    )
  })

  it('moves few of them for each that is added or removed, however many there are', () => {
    let moves = 0
    /** Counts how often it is put somewhere. */
    class Counted implements Timer {
      #index = -1
      readonly at: number
      readonly number: number

      constructor(at: number, number: number) {
        this.at = at
        this.number = number
      }
      get index(): number {
        return this.#index
      }
      set index(index: number) {
        this.#index = index
        moves++
      }
    }
    const heap = new TimerHeap<Counted>()
    const all: Counted[] = []
    let most = 0
    const counted = (act: () => void): void => {
      moves = 0
      act()
      most = Math.max(most, moves)
    }
    for (let number = 0; number < 65_536; number++) {
      // Each one before all others: the worst there is.
      const timer = new Counted(-number, number)
      all.push(timer)
      counted(() => heap.add(timer))
    }
    for (let i = 0; i < all.length; i++) {
      counted(() => heap.remove(all[(i * 40_503) % all.length] as Counted))
    }
    expect(heap.size).toBe(0)
    // log2(65,536) = 16, and its own place twice.
    expect(most).toBeLessThanOrEqual(20)
  })
})
