import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { fioSeconds } from '../../bench/guest/fio.ts'
import { durationsOf, progress, runScript } from '../../bench/guest/script.ts'
import type { Portion, Workload } from '../../bench/guest/workload.ts'

const portion: Portion = { listed: [], read: [], objects: [], files: 0, fio: 'fio' }

/**
 * A command that sets the clock of the script's bash, which stands still from then on: a variable that was unset is one
 * like any other (bash(1), EPOCHREALTIME).
 *
 * @param seconds with six digits behind the point; `$run` is the number of the run, from 0 on.
 */
function setClock(seconds: string): string {
  return `unset EPOCHREALTIME; EPOCHREALTIME=${seconds}`
}

function run(workload: Workload, runs: number): string {
  return execFileSync('bash', ['-c', runScript(workload, portion, runs)], { encoding: 'utf8' })
}

describe('a script that measures', () => {
  const timed: Workload = {
    name: 'timed',
    group: 'read',
    prepare: () => setClock('1"$run"0.000000'),
    // The second run takes a second longer than the first one.
    run: () => `echo unheard; ${setClock('1"$run""$run".250000')}`,
  }

  it('times what counts, each time, and not what comes before', () => {
    const output = run(timed, 2)
    expect(durationsOf(timed, output, 2)).toEqual([
      { seconds: 0.25, elapsed: 0.25 },
      { seconds: 1.25, elapsed: 1.25 },
    ])
    const lines = output.trim().split('\n')
    expect(lines.map(progress)).toEqual(['start', 'end', 'start', 'end'])
  })

  it('has the time of its bash', () => {
    const plain: Workload = { name: 'plain', group: 'read', run: () => 'sleep 0.01' }
    const [duration] = durationsOf(plain, run(plain, 1), 1)
    expect(duration!.seconds).toBeGreaterThanOrEqual(0.01)
  })

  it('ends with the first thing that fails', () => {
    expect(() => run({ ...timed, run: () => 'false\ntrue' }, 1)).toThrow('Command failed')
  })

  it('has too few runs when it was cut off', () => {
    expect(() => durationsOf(timed, run(timed, 1), 2)).toThrow('1 runs instead of 2')
  })

  it('leaves the time to a program that knows better', () => {
    const report = {
      jobs: [{ read: { runtime: 0, total_ios: 0 }, write: { runtime: 1_250_000, total_ios: 3 } }],
    }
    const workload: Workload = {
      name: 'fio',
      group: 'change',
      prepare: () => setClock('107.000000'),
      run: () =>
        `echo 'note: something'; echo '${JSON.stringify(report)}'; ${setClock('108.000000')}`,
      seconds: fioSeconds,
    }
    const each = { seconds: 1250, elapsed: 1 }
    expect(durationsOf(workload, run(workload, 2), 2)).toEqual([each, each])
  })
})

describe('fio', () => {
  it('that did nothing has no time', () => {
    const nothing = { runtime: 0, total_ios: 0 }
    const report = JSON.stringify({ jobs: [{ read: nothing, write: nothing }] })
    expect(() => fioSeconds(report)).toThrow('nothing')
  })
})
