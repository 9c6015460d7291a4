import type { MachineFolder } from './machine-folder.ts'
import type { FileResult, TestResult, TestRun } from './results.ts'

/** Whose a machine is: a test's, a file's where no test is known, or nobody's. */
export interface Owner {
  readonly file?: FileResult
  readonly test?: TestResult
}

/**
 * Finds out whose a machine is. Its record may say it, and the time which one of several of that name. Otherwise the
 * folder that it is in tells the file, and the time when it was made the test, unless tests of one file run at once.
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

/** The test that had begun last of those that were under way; the innermost one, of tests within tests. */
function testAt(tests: readonly TestResult[], time: number): TestResult | undefined {
  return tests
    .filter((test) => test.start <= time && time <= test.start + test.duration)
    .toSorted((a, b) => b.start - a.start || b.name.length - a.name.length)[0]
}

/** Node says no more of a test than its name and those around it in one text. */
function isSamePath(a: readonly string[], b: readonly string[]): boolean {
  return a.join(' > ') === b.join(' > ')
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}
