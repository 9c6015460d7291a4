import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { fioSeconds } from '../../bench/guest/fio.ts'
import { durationsOf, progress, runScript } from '../../bench/guest/script.ts'
import type { Portion, Workload } from '../../bench/guest/workload.ts'

const portion: Portion = { listed: [], read: [], objects: [], files: 0, fio: 'fio' }

function run(workload: Workload, runs: number): string {
  return execFileSync('bash', ['-c', runScript(workload, portion, runs)], { encoding: 'utf8' })
}

describe('a script that measures', () => {
  const sleeping: Workload = {
    name: 'sleep',
    group: 'read',
    prepare: () => 'sleep 1',
    run: () => 'echo unheard; sleep 0.2',
  }

  it('times what counts, each time, and not what comes before', () => {
    const start = performance.now()
    const output = run(sleeping, 2)
    const elapsed = (performance.now() - start) / 1000
    const [first = 0, second = 0] = durationsOf(sleeping, output, 2).map(({ seconds }) => seconds)
    expect(first).toBeGreaterThanOrEqual(0.2)
    expect(second).toBeGreaterThanOrEqual(0.2)
    // However busy the machine is, what comes before has its two seconds beside that.
    expect(first + second + 2).toBeLessThan(elapsed)
    const lines = output.trim().split('\n')
    expect(lines.map(progress)).toEqual(['start', 'end', 'start', 'end'])
  })

  it('ends with the first thing that fails', () => {
    expect(() => run({ ...sleeping, run: () => 'false\ntrue' }, 1)).toThrow('Command failed')
  })

  it('has too few runs when it was cut off', () => {
    expect(() => durationsOf(sleeping, run(sleeping, 1), 2)).toThrow('1 runs instead of 2')
  })

  it('leaves the time to a program that knows better', () => {
    const report = {
      jobs: [{ read: { runtime: 0, total_ios: 0 }, write: { runtime: 1_250_000, total_ios: 3 } }],
    }
    const workload: Workload = {
      name: 'fio',
      group: 'change',
      run: () => `echo 'note: something'; echo '${JSON.stringify(report)}'`,
      seconds: fioSeconds,
    }
    const durations = durationsOf(workload, run(workload, 2), 2)
    expect(durations.map(({ seconds }) => seconds)).toEqual([1250, 1250])
    for (const { elapsed } of durations) expect(elapsed).toBeLessThan(1250)
  })
})

describe('fio', () => {
  it('that did nothing has no time', () => {
    const nothing = { runtime: 0, total_ios: 0 }
    const report = JSON.stringify({ jobs: [{ read: nothing, write: nothing }] })
    expect(() => fioSeconds(report)).toThrow('nothing')
  })
})
