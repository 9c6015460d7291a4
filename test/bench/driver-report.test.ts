import { describe, expect, it } from 'vitest'
import type { FirstCommand } from '../../bench/driver/first-command.ts'
import { driverReport } from '../../bench/driver/driver-report.ts'
import type { DriverResults, GuestTimes } from '../../bench/driver/results.ts'
import { percentile } from '../../bench/statistics.ts'

/** First commands that came after so many milliseconds. */
function firstCommands(...milliseconds: number[]): FirstCommand[] {
  const cpu = { guest: 4000, qemu: 250, driver: 500 }
  return milliseconds.map((each) => ({ milliseconds: each, cpu }))
}

const cpu = { guest: 30, qemu: 4, driver: 2 }

const guest: GuestTimes = {
  name: 'some guest',
  boots: firstCommands(10_000, 80_000, 12_000),
  // In the second round everything took long, and the ratio is what it is elsewhere.
  restores: firstCommands(400, 4000, 480),
  saves: [900, 1100, 1000],
  roundTrips: {
    soon: [
      { p50: 14, p95: 30, cpu },
      { p50: 15, p95: 40, cpu },
      { p50: 16, p95: 35, cpu },
    ],
    late: [{ p50: 15.1, p95: 20, cpu }],
  },
}

const results: DriverResults = {
  notes: ['some machine'],
  guests: [guest],
  suite: { guest: 'some guest', tests: 20, booted: 200_000, restored: 25_000 },
}

/** The columns of the line that begins with `name`. */
function columns(report: string, name: string): string[] {
  const line = report.split('\n').find((each) => each.startsWith(name))
  if (line === undefined) throw new Error(`no line begins with "${name}":\n${report}`)
  return line.slice(name.length).trim().split(/ {2,}/)
}

describe('the report of the driver', () => {
  const report = driverReport(results)

  it('has the middle round, its range, and the CPU time in seconds', () => {
    expect(columns(report, 'some guest: boot')).toEqual([
      '12.00',
      '10.00 to 80.00',
      '4.00 + 0.25 + 0.50',
    ])
    expect(columns(report, 'some guest: save, after its commands')).toEqual([
      '1.00',
      '0.90 to 1.10',
    ])
  })

  it('compares a restore with the boot of its own round', () => {
    // 25, 20 and 25 times.
    expect(columns(report, 'some guest: restore')).toEqual([
      '0.48',
      '0.40 to 4.00',
      '25.00 x',
      '4.00 + 0.25 + 0.50',
    ])
  })

  it('marks what misses its goal, and nothing else', () => {
    expect(columns(report, 'soon')).toEqual(['15.0', '35.0', '30.0 + 4.0 + 2.0'])
    expect(columns(report, 'late')[0]).toBe('15.1 ! 15')
    const slow = { ...guest, restores: firstCommands(600, 5000, 700) }
    const restore = columns(driverReport({ ...results, guests: [slow] }), 'some guest: restore')
    expect([restore[0], restore[2]]).toEqual(['0.70 ! 0.5', '16.67 ! 20.0 x'])
  })

  it('says how many times as long tests take that boot', () => {
    expect(columns(report, 'one boot, and a restore for each')).toEqual(['25.0', '8.00 x'])
  })

  it('leaves out what was not measured', () => {
    const bare = { ...guest, restores: [], saves: [], roundTrips: {} }
    const lines = driverReport({ notes: [], guests: [bare], suite: undefined }).split('\n')
    expect(lines.filter((line) => line.startsWith('some guest'))).toHaveLength(1)
    expect(driverReport({ notes: [], guests: [], suite: undefined })).not.toContain('boot')
    expect(lines.join('\n')).not.toContain('NaN')
  })
})

describe('a percentile', () => {
  it('is a value that was measured: the smallest that so many do not exceed', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect(percentile(values, 95)).toBe(95)
    expect(percentile([3, 1, 2], 95)).toBe(3)
    expect(percentile([3, 1, 2], 0)).toBe(1)
    expect(percentile([], 95)).toBeNaN()
  })
})
