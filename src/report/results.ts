/** What a run of tests came to, whichever runner it was. All times are milliseconds since the epoch. */
export interface TestRun {
  readonly start: number
  /** Milliseconds. */
  readonly duration: number
  readonly files: readonly FileResult[]
  /** Why not all of it has run, if so: a sentence. */
  readonly interrupted?: string
}

/** One file of tests. */
export interface FileResult {
  /** As people are shown it. */
  readonly name: string
  /** Absolute. */
  readonly path: string
  readonly start: number
  /** Milliseconds. */
  readonly duration: number
  /** What failed outside of its tests: it cannot be loaded, or it did not end. */
  readonly failure?: Failure
  /** What it printed, both streams in the order in which they came. */
  readonly output: string
  readonly tests: readonly TestResult[]
  /** The folder that has the artifacts of its machines, and of no other file's. */
  readonly artifacts?: string
}

/** One test. */
export interface TestResult {
  /** The names of the suites and tests that it is in, outermost first, and its own. */
  readonly name: readonly string[]
  readonly status: 'passed' | 'failed' | 'skipped'
  readonly start: number
  /** Milliseconds. */
  readonly duration: number
  /** Why it was skipped, if it says so. */
  readonly reason?: string
  readonly failure?: Failure
}

/** Why something failed. */
export interface Failure {
  /** In one line. */
  readonly message: string
  /** All that is known: the stack, the difference, the end of a console. */
  readonly text: string
}

/** How many there are of each kind. */
export interface Totals {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** Counts tests; what failed outside of them counts as one that failed. */
export function totalsOf(files: readonly FileResult[]): Totals {
  const totals = { passed: 0, failed: 0, skipped: 0 }
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
