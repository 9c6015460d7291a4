import { describe, expect, it } from 'vitest'
import { BusyPollTime } from '../../src/server/busy-poll.ts'

/** What a time says that has seen sleeps of so many microseconds. */
function after(...sleeps: number[]): BusyPollTime {
  const time = new BusyPollTime()
  for (const duration of sleeps) time.slept(duration)
  return time
}

function times(count: number, duration: number): number[] {
  return Array.from({ length: count }, () => duration)
}

describe('the time of busy-polling before a sleep', () => {
  it('is 0 at first', () => {
    expect(new BusyPollTime().microseconds).toBe(0)
  })

  it('grows with short sleeps, up to a limit', () => {
    const looks = [1, 2, 3, 4, 5, 6].map((count) => after(...times(count, 40)).microseconds)
    expect(looks).toEqual([8, 16, 32, 64, 100, 100])
  })

  it('is 0 after a long sleep', () => {
    expect(after(...times(5, 40), 101).microseconds).toBe(0)
    expect(after(1e6).microseconds).toBe(0)
  })

  it('stays the same as long as polling pays', () => {
    const time = after(...times(5, 40))
    for (let i = 0; i < 1000; i++) {
      time.paid()
      // Now and then something comes too late.
      if (i % 3 === 0) time.slept(40)
    }
    expect(time.microseconds).toBe(100)
  })

  it('is 0 for a while where polling never pays, each time for longer', () => {
    const time = new BusyPollTime()
    let looked = 0
    let longest = 0
    for (let sleeps = 0, rest = 0; sleeps < 100_000; sleeps++) {
      looked += time.microseconds
      rest = time.microseconds === 0 ? rest + 1 : 0
      longest = Math.max(longest, rest)
      time.slept(10)
    }
    // A tenth of a microsecond for each sleep, which takes ten.
    expect(looked / 100_000).toBeLessThan(0.1)
    expect(longest).toBe(4096)
  })

  it('grows again when polling has begun to pay', () => {
    const time = after(...times(20_000, 10))
    for (let sleeps = 0; time.microseconds === 0 && sleeps < 5000; sleeps++) time.slept(10)
    expect(time.microseconds).toBe(100)
    time.paid()
    time.slept(10)
    expect(time.microseconds).toBe(100)
    // And if it ceases to pay, the first rest is a short one.
    for (let sleeps = 0; time.microseconds > 0; sleeps++) time.slept(10)
    let rest = 0
    for (; time.microseconds === 0; rest++) time.slept(10)
    expect(rest).toBe(64)
  })
})
