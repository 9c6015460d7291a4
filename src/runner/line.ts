import type { TestResult } from '../report/results.ts'

/**
 * A message of the process that runs a test file to the runner that has started it: one line of JSON on descriptor
 * {@link CHANNEL}.
 */
export type Line = TestBegun | TestOver | TestReported | TestNote

/** The descriptor that lines are written to. */
export const CHANNEL = 3

/** A test, or a suite, has begun. */
export interface TestBegun {
  readonly kind: 'begun'
  /** Identifies the test in the message of its end. Tests that are made in a loop may share a key. */
  readonly key: string
  readonly name: readonly string[]
  /** Milliseconds since the epoch. */
  readonly time: number
}

/** A test has ended. */
export interface TestOver {
  readonly kind: 'over'
  readonly key: string
}

/** The result of a test. Results come in the order of the tests in the file. */
export interface TestReported {
  readonly kind: 'result'
  readonly result: TestResult
}

/** A diagnostic message of a test, or of Node about a test. */
export interface TestNote {
  readonly kind: 'note'
  readonly text: string
}
