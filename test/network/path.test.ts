import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import type { LinkConditions } from '../../src/network/conditions.ts'
import { Path } from '../../src/network/path.ts'
import { Random } from '../../src/network/random.ts'
import { ManualClock } from '../support/manual-clock.ts'

let clock: ManualClock
let isOpen: boolean
/** What has arrived, and when. */
let arrivals: [text: string, time: number][]

beforeEach(() => {
  clock = new ManualClock()
  isOpen = true
  arrivals = []
})

function pathWith(conditions: LinkConditions, seed = 'seed'): Path {
  const path = new Path(clock, new Random(seed), () => isOpen)
  path.conditions = conditions
  return path
}

/** Sends a text, in memory that is used again at once. */
function send(path: Path, text: string): void {
  const frame = Buffer.from(text)
  path.send(frame, (arrived) => arrivals.push([String(arrived), clock.now()]))
  frame.fill('?')
}

describe('a path without conditions', () => {
  it('carries at once', () => {
    send(pathWith({}), 'a')
    expect(arrivals).toEqual([['a', 0]])
  })
})

describe('delay', () => {
  it('is the time that each frame takes', () => {
    const path = pathWith({ delay: 50 })
    send(path, 'a')
    clock.pass(20)
    send(path, 'b')
    clock.pass(29)
    expect(arrivals).toEqual([])
    clock.pass(1000)
    expect(arrivals).toEqual([
      ['a', 50],
      ['b', 70],
    ])
  })

  it('varies by jitter, and frames stay in their order', () => {
    const path = pathWith({ delay: 50, jitter: 20 })
    const sentAt: number[] = []
    for (let i = 0; i < 2000; i++) {
      sentAt.push(clock.now())
      send(path, String(i))
      // Far enough from each other that none has to wait for the one before.
      clock.pass(100)
    }
    const took = arrivals.map(([, time], i) => time - sentAt[i]!)
    expect(arrivals.map(([text]) => text)).toEqual(sentAt.map((_, i) => String(i)))
    // Timers know whole milliseconds, and are never early.
    expect(Math.min(...took)).toBeGreaterThanOrEqual(30)
    expect(Math.min(...took)).toBeLessThan(33)
    expect(Math.max(...took)).toBeLessThanOrEqual(71)
    expect(Math.max(...took)).toBeGreaterThan(67)
    const average = took.reduce((sum, each) => sum + each, 0) / took.length
    expect(Math.abs(average - 50.5)).toBeLessThan(1)
  })

  it('lets no frame overtake another, whatever changes meanwhile', () => {
    const conditions = fc.record({ delay: fc.nat(50) })
    const steps = fc.array(fc.oneof(conditions, fc.constant('send' as const), fc.nat(20)))
    fc.assert(
      fc.property(steps, (list) => {
        arrivals = []
        const path = pathWith({ delay: 10 })
        let sent = 0
        for (const step of list) {
          if (step === 'send') send(path, String(sent++))
          else if (typeof step === 'number') clock.pass(step)
          else path.conditions = step
        }
        clock.pass(1000)
        expect(arrivals.map(([text]) => Number(text))).toEqual([...Array(sent).keys()])
      }),
    )
  })

  it('of a frame that is under way stays as it was', () => {
    const path = pathWith({ delay: 1000 })
    send(path, 'slow')
    path.conditions = {}
    send(path, 'fast')
    clock.pass(2000)
    expect(arrivals).toEqual([
      ['slow', 1000],
      ['fast', 1000],
    ])
  })
})

describe('loss', () => {
  function lost(path: Path): string {
    arrivals = []
    for (let i = 0; i < 1000; i++) send(path, String(i))
    return arrivals.map(([text]) => text).join(' ')
  }

  it('takes that part of the frames', () => {
    const path = pathWith({ loss: 0.1 })
    for (let i = 0; i < 20_000; i++) send(path, 'x')
    expect(path.counters.arrived + path.counters.lost).toBe(20_000)
    expect(Math.abs(path.counters.lost / 20_000 - 0.1)).toBeLessThan(0.01)
    expect(arrivals).toHaveLength(path.counters.arrived)
  })

  it('is the same for the same seed, and another for another', () => {
    const first = lost(pathWith({ loss: 0.3 }, 'one'))
    expect(lost(pathWith({ loss: 0.3 }, 'one'))).toBe(first)
    expect(lost(pathWith({ loss: 0.3 }, 'two'))).not.toBe(first)
  })

  it('of 1 takes all, of 0 nothing', () => {
    expect(lost(pathWith({ loss: 1 }))).toBe('')
    expect(lost(pathWith({ loss: 0 })).split(' ')).toHaveLength(1000)
  })
})

describe('bandwidth', () => {
  it('is the pace of what is sent at once', () => {
    // 1000 bytes take 8 ms.
    const path = pathWith({ bandwidth: 1_000_000 })
    for (let i = 0; i < 5; i++) send(path, String(i).repeat(1000))
    clock.pass(1000)
    expect(arrivals.map(([, time]) => time)).toEqual([8, 16, 24, 32, 40])
  })

  it('comes before the delay', () => {
    const path = pathWith({ bandwidth: 1_000_000, delay: 100 })
    for (let i = 0; i < 3; i++) send(path, String(i).repeat(1000))
    clock.pass(1000)
    expect(arrivals.map(([, time]) => time)).toEqual([108, 116, 124])
  })

  it('lets some frames wait for a line that is slower than a frame in a fifth of a second', () => {
    const path = pathWith({ bandwidth: 12_000 })
    for (let i = 0; i < 100; i++) send(path, String(i % 10).repeat(1500))
    clock.pass(60_000)
    expect(arrivals.map(([, time]) => time)).toEqual(
      Array.from({ length: 11 }, (_, i) => 1000 * (i + 1)),
    )
  })

  it('drops what would have to wait for more than a fifth of a second', () => {
    const path = pathWith({ bandwidth: 1_000_000 })
    for (let i = 0; i < 1000; i++) send(path, 'x'.repeat(1000))
    expect(path.counters.overflowed).toBe(1000 - 26)
    clock.pass(10_000)
    expect(arrivals).toHaveLength(26)
    // Time without frames is not saved up, and there is no debt either.
    send(path, 'y'.repeat(1000))
    clock.pass(8)
    expect(arrivals.at(-1)![1]).toBe(10_008)
  })
})

it('holds a bounded number of bytes, however long frames are under way', () => {
  const path = pathWith({ delay: 60_000 })
  for (let i = 0; i < 100_000; i++) send(path, 'x'.repeat(60))
  const held = 100_000 - path.counters.overflowed
  expect(held * (60 + 256)).toBeLessThanOrEqual(4 << 20)
  expect(held).toBeGreaterThan(13_000)
  clock.pass(60_000)
  expect(arrivals).toHaveLength(held)
  for (let i = 0; i < held; i++) send(path, 'y'.repeat(60))
  clock.pass(60_000)
  expect(arrivals).toHaveLength(2 * held)
})

it('carries nothing while it is interrupted, not even what is on its way', () => {
  const path = pathWith({ delay: 50 })
  send(path, 'under way')
  clock.pass(40)
  isOpen = false
  send(path, 'sent')
  clock.pass(40)
  isOpen = true
  send(path, 'after')
  clock.pass(1000)
  expect(arrivals).toEqual([['after', 130]])
  expect(path.counters).toEqual({ arrived: 1, lost: 0, cut: 2, overflowed: 0 })
})

it('carries nothing once it is closed', () => {
  const path = pathWith({ delay: 50 })
  send(path, 'a')
  path.close()
  clock.pass(1000)
  expect(arrivals).toEqual([])
})

describe('conditions out of their range', () => {
  const wrong: [LinkConditions, string][] = [
    [{ delay: -1 }, 'delay is -1: it has to be 0 to 3600000 milliseconds.'],
    [{ delay: Number.NaN }, 'delay is NaN'],
    [{ jitter: 1 }, 'jitter is 1: it has to be 0 to the delay, which is 0 milliseconds.'],
    [{ loss: 1.5 }, 'loss is 1.5'],
    [{ loss: 10 }, 'loss is 10: it has to be 0 (nothing is lost) to 1 (everything is).'],
    [{ bandwidth: 0 }, 'bandwidth is 0: it has to be more than 0 bits per second.'],
  ]
  it.each(wrong)('%j', (conditions, message) => {
    const path = pathWith({ delay: 5 })
    expect(() => (path.conditions = conditions)).toThrow(message)
    expect(path.conditions).toEqual({ delay: 5 })
  })
})
