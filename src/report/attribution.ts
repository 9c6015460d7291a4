import type { MachineFolder } from './machine-folder.ts'
import type { FileResult, TestResult, TestRun } from './results.ts'

/** The test that a machine belongs to. If no test is known, only its file; if no file is known, neither. */
export interface Owner {
  readonly file?: FileResult
  readonly test?: TestResult
}

/**
 * Finds the test of a machine. If the machine's record names the test, the time tells several tests of that
 * name apart. Otherwise the machine's folder tells the file, and the time at which the machine was made tells
 * the test. That is a guess if tests of one file run at the same time.
 */
export function ownerOf({ path, history }: MachineFolder, { files }: TestRun): Owner {
  const { made, start } = history
  const said = made.test
  if (said !== undefined) {
    const file = files.find((each) => each.path === said.file)
    const called = file?.tests.filter(({ name }) => isSamePath(name, said.name)) ?? []
    const test = testAt(called, start) ?? called[0]
    if (file !== undefined) return { file, ...(test && { test }) }
  }
  const file = files.find(({ artifacts }) => artifacts !== undefined && isWithin(path, artifacts))
  if (file === undefined) return {}
  const test = testAt(file.tests, start)
  return { file, ...(test && { test }) }
}

/** Of the tests that ran at `time`, the one that started last; of tests within tests, the innermost. */
function testAt(tests: readonly TestResult[], time: number): TestResult | undefined {
  return tests
    .filter((test) => test.start <= time && time <= test.start + test.duration)
    .toSorted((a, b) => b.start - a.start || b.name.length - a.name.length)[0]
}

/** Compares names as one text, since Node gives the name of a test and of those around it as one text. */
function isSamePath(a: readonly string[], b: readonly string[]): boolean {
  return a.join(' > ') === b.join(' > ')
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}
