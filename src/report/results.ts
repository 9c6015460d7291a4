/** The results of a test run, from any test runner. `start` is milliseconds since the epoch. */
export interface TestRun {
  readonly start: number
  /** Milliseconds. */
  readonly duration: number
  readonly files: readonly FileResult[]
  /** Why not all files have run, if so: a sentence. */
  readonly interrupted?: string
}

/** One test file. */
export interface FileResult {
  /** The name to show. */
  readonly name: string
  /** Absolute. */
  readonly path: string
  readonly start: number
  /** Milliseconds. */
  readonly duration: number
  /** A failure outside of its tests: the file cannot be loaded, or its process did not end. */
  readonly failure?: Failure
  /** What it printed: standard output and error, in the order in which the text arrived. */
  readonly output: string
  readonly tests: readonly TestResult[]
  /** Whether the run was interrupted before this file's end. */
  readonly interrupted?: true
  /** The folder with the artifacts of this file's machines. */
  readonly artifacts?: string
}

/** One test. */
export interface TestResult {
  /** The names of the suites and tests around it, outermost first, and its own. */
  readonly name: readonly string[]
  /** `interrupted`: it was under way when the run was interrupted. */
  readonly status: 'passed' | 'failed' | 'skipped' | 'interrupted'
  readonly start: number
  /** Milliseconds. */
  readonly duration: number
  /** Why it was skipped, if the test gives a reason, or what has interrupted it. */
  readonly reason?: string
  readonly failure?: Failure
}

/** Why something failed. */
export interface Failure {
  /** In one line. */
  readonly message: string
  /** All details: the stack, the difference, the end of a console. */
  readonly text: string
}

/** How many tests there are of each status. */
export interface Totals {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly interrupted: number
}

/** Counts tests; a file that failed outside of its tests counts as one more failed test. */
export function totalsOf(files: readonly FileResult[]): Totals {
  const totals = { passed: 0, failed: 0, skipped: 0, interrupted: 0 }
  for (const { tests, failure } of files) {
    for (const { status } of tests) totals[status] += 1
    if (failure !== undefined) totals.failed += 1
  }
  return totals
}

/** A test's name in one line. */
export function nameOf(path: readonly string[]): string {
  return path.join(' › ')
}
