import { describe, expect, it } from 'vitest'
import { Timers } from '../../src/transport/engine/timers.ts'

describe('an engine’s timers', () => {
  it('let the loop sleep for ever when there is nothing to do', () => {
    const timers = new Timers()
    expect(timers.sleep).toBe(-1)
    const cancel = timers.later(1000, () => {})
    expect(timers.sleep).toBeGreaterThan(0)
    expect(timers.sleep).toBeLessThanOrEqual(1000)
    cancel()
    expect(timers.sleep).toBe(-1)
  })

  it('wake it for the first of them, and call what is due once', () => {
    const timers = new Timers()
    const called: string[] = []
    timers.later(3_600_000, () => called.push('late'))
    const cancels = [() => {}]
    timers.later(-1, () => {
      called.push('due')
      cancels[0]!()
    })
    cancels[0] = timers.later(-1, () => called.push('called off by the one before'))
    expect(timers.sleep).toBe(0)
    timers.run()
    timers.run()
    expect(called).toEqual(['due'])
    expect(timers.sleep).toBeGreaterThan(1000)
  })
})
