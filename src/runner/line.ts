import type { TestResult } from '../report/results.ts'

/**
 * What a process that runs a file of tests tells the one that has started it, one line of JSON each, on its
 * descriptor {@link CHANNEL}.
 */
export type Line = TestBegun | TestOver | TestReported | TestNote

/** The descriptor that lines are written to. */
export const CHANNEL = 3

/** A test, or a suite, has begun. */
export interface TestBegun {
  readonly kind: 'begun'
  /** The same for its end. Tests in a loop may have the same. */
  readonly key: string
  readonly name: readonly string[]
  /** Milliseconds since the epoch. */
  readonly time: number
}

/** Nothing of it runs any more. */
export interface TestOver {
  readonly kind: 'over'
  readonly key: string
}

/** What became of it; in the order in which tests stand in the file. */
export interface TestReported {
  readonly kind: 'result'
  readonly result: TestResult
}

/** Something that a test, or Node about a test, has to say. */
export interface TestNote {
  readonly kind: 'note'
  readonly text: string
}
