import type { TestReference } from '../record/event.ts'

/** A test that has failed, and why. */
export interface FailedTest {
  readonly name: string
  /** The message of its error; empty where the runner does not tell it. */
  readonly message: string
}

/** What a test's runner is told about one of the test's machines. */
export interface OwnedMachine {
  readonly name: string
  /** The absolute path of its folder of artifacts; undefined where none is kept. */
  readonly artifacts: string | undefined
}

/** A running test that owns machines: what the driver asks of it, and tells it, under each test runner. */
export interface OwningTest {
  readonly name: string
  /** The test's place and name, for the record of its machines. */
  readonly reference: TestReference | undefined
  /** The default folder of artifacts; undefined for none. */
  readonly artifacts: string | undefined
  /** Whether the test has ended, or its time is over for good. */
  readonly isOver: boolean
  /** Why the test has failed, after its end; undefined where it has passed. */
  failure(): FailedTest | undefined
  /** Has `end` called and awaited at the end of the test, however it ends. `end` may be called twice. */
  onEnd(end: () => Promise<void>): void
  /** Has `examine` called when a subtest has failed. */
  onFailureWithin(examine: (test: FailedTest) => Promise<void>): void
  /** The test has failed; these are the artifacts of one of its machines. */
  keep(machine: OwnedMachine, artifacts: readonly string[]): void
  /** The test has passed, and this machine has ended. */
  discard(machine: OwnedMachine): void
}
