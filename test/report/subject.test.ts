import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { MachineMade } from '../../src/record/event.ts'
import { type MachineFolder, readMachines } from '../../src/report/machine-folder.ts'
import type { FileResult, TestRun } from '../../src/report/results.ts'
import { subjectsOf } from '../../src/report/subject.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { START, at, fileResult, sampleRun, testResult, writeMachine } from './sample.ts'

async function machinesAt(
  root: string,
  ...machines: readonly (readonly [number, Partial<MachineMade>])[]
): Promise<MachineFolder[]> {
  for (const [seconds, more] of machines) {
    const made = { kind: 'machine', name: `at ${seconds}`, accelerator: 'kvm', ...more } as const
    writeMachine(join(root, 'a', `m${seconds}`), at([seconds, made]))
  }
  return readMachines(root)
}

function runOf(...files: readonly FileResult[]): TestRun {
  return { start: START, duration: 1, files }
}

function owned(run: TestRun, machines: readonly MachineFolder[]): Record<string, string[]> {
  return Object.fromEntries(
    subjectsOf(run, machines).map((subject) => [
      subject.title,
      subject.machines.map(({ history }) => history.made.name),
    ]),
  )
}

describe('the pages of a report', () => {
  it('show failures first, and each has its machines', async () => {
    const root = temporaryDirectory()
    const subjects = subjectsOf(sampleRun(root), await readMachines(root))
    expect(
      subjects.map(({ id, title, status, machines }) => [
        id,
        title,
        status,
        machines.map(({ history }) => history.made.name),
      ]),
    ).toEqual([
      ['t1', 'web › answers', 'failed', ['server', 'client']],
      ['t2', 'units start', 'passed', ['machine']],
      ['t3', 'web › logs', 'skipped', []],
      ['t4', 'The whole file', 'shared', []],
    ])
  })

  it('give a machine to the test that had begun last when it was made', async () => {
    const root = temporaryDirectory()
    const machines = await machinesAt(root, [1, {}], [4.99, {}], [5, {}], [7, {}], [20, {}])
    const file = fileResult(root, 'a', [
      testResult(['one'], [0, 5]),
      testResult(['two'], [5, 10]),
      testResult(['two', 'inner'], [6, 8]),
    ])
    expect(owned(runOf(file), machines)).toEqual({
      one: ['at 1', 'at 4.99'],
      two: ['at 5'],
      'two › inner': ['at 7'],
      'The whole file': ['at 20'],
    })
  })

  it('follow the test that the record names', async () => {
    const root = temporaryDirectory()
    const machines = await machinesAt(
      root,
      [1, { test: { file: '/tests/b', name: ['s', 'late'] } }],
      [2, { test: { file: '/tests/b', name: ['unknown'] } }],
    )
    const a = fileResult(root, 'a', [testResult(['one'], [0, 5])])
    const b = fileResult(root, 'b', [testResult(['s', 'late'], [10, 15])])
    expect(owned(runOf(a, b), machines)).toEqual({
      one: [],
      's › late': ['at 1'],
      'The whole file': ['at 2'],
    })
  })

  it('show machines without any results', async () => {
    const machines = await machinesAt(temporaryDirectory(), [2, {}], [1, {}])
    expect(owned(runOf(), machines)).toEqual({ 'Other machines': ['at 1', 'at 2'] })
  })

  it('show what failed outside of tests', () => {
    const failure = { message: 'no', text: 'no' }
    const [first] = subjectsOf(runOf(fileResult('/', 'a', [], { failure })), [])
    expect(first).toMatchObject({ title: 'The whole file', status: 'failed', failure })
  })
})
