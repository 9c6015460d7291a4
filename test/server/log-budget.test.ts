import { describe, expect, it } from 'vitest'
import { LogBudget } from '../../src/server/log-budget.ts'

describe('a log that clients write to', () => {
  it('gets all lines of a quiet server, however many they become', () => {
    let now = 0
    const lines: string[] = []
    const budget = new LogBudget(
      (line) => lines.push(line),
      () => now,
    )
    for (let i = 0; i < 5000; i++) {
      budget.log(`line ${i}`)
      now += 100
    }
    expect(lines).toHaveLength(5000)
  })

  it('gets a burst, then a line that more is left out, and later how many lines were', () => {
    let now = 0
    const lines: string[] = []
    const budget = new LogBudget(
      (line) => lines.push(line),
      () => now,
    )
    for (let i = 0; i < 100_000; i++) budget.log(`line ${i}`)
    expect(lines).toHaveLength(201)
    expect(lines.slice(-2)).toEqual([
      'line 199',
      'too much happens to log it all: lines are left out',
    ])
    now += 100
    budget.log('later')
    expect(lines.slice(-2)).toEqual(['99800 lines were left out', 'later'])
    // A client that never stops gets a few lines a second, whatever it does.
    const before = lines.length
    for (let i = 0; i < 1_000_000; i++) {
      now += 0.01
      budget.log('again')
    }
    expect(lines.length - before).toBeLessThan(3 * 10 * 10 + 3)
  })
})
