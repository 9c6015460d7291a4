import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ownerOf } from '../../src/report/attribution.ts'
import { readMachines } from '../../src/report/machine-folder.ts'
import type { TestReference } from '../../src/record/event.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { START, at, fileResult, testResult, writeMachine } from './sample.ts'

/** Of tests of one file with these names and times, the one that a machine is of that was made after 5 seconds. */
async function ownerAmong(
  tests: readonly (readonly [name: readonly string[], from: number, to: number])[],
  said?: readonly string[],
): Promise<number> {
  const root = temporaryDirectory()
  const results = tests.map(([name, from, to]) => testResult(name, [from, to]))
  const file = fileResult(root, 'a.vm.test.ts', results)
  const test: TestReference | undefined = said && { file: file.path, name: said }
  const made = { kind: 'machine', name: 'm', accelerator: 'tcg', ...(test && { test }) } as const
  writeMachine(join(root, 'a.vm.test.ts', 'm'), at([5, made]))
  const [machine] = await readMachines(root)
  const owner = ownerOf(machine!, { start: START, duration: 30_000, files: [file] })
  expect(owner.file).toBe(file)
  return results.indexOf(owner.test!)
}

describe('a machine is that of the test', () => {
  it('that had begun last when it was made', async () => {
    expect(
      await ownerAmong([
        [['a'], 0, 9],
        [['b'], 4, 9],
        [['c'], 6, 9],
      ]),
    ).toBe(1)
  })

  it('that its record names, also if other tests ran at the time', async () => {
    expect(
      await ownerAmong(
        [
          [['a'], 0, 9],
          [['b'], 4, 9],
        ],
        ['a'],
      ),
    ).toBe(0)
  })

  it('that its record names as Node tells names, in one text', async () => {
    const tests = [
      [['in', 'x > y'], 0, 9],
      [['in', 'z'], 4, 9],
    ] as const
    expect(await ownerAmong(tests, ['in', 'x', 'y'])).toBe(0)
  })

  it('of that name that ran then, where several have it', async () => {
    expect(
      await ownerAmong(
        [
          [['a'], 0, 4],
          [['a'], 4.5, 9],
          [['b'], 4.8, 9],
        ],
        ['a'],
      ),
    ).toBe(1)
  })
})
