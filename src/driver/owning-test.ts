import { type NodeTestContext, nodeTest } from './node-test-context.ts'
import type { FailedTest } from './failed-test.ts'
import type { Machine } from './machine.ts'
import type { TestReference } from '../record/event.ts'
import { type VitestContext, vitestTest } from './vitest-context.ts'

/** What the function of a test gets that can have machines. */
export type TestContext = NodeTestContext | VitestContext

/** A test that is under way and has machines, whoever runs it. */
export interface OwningTest {
  readonly name: string
  /** What the record says of whose machine it is. */
  readonly reference: TestReference | undefined
  /** Where its artifacts are when nobody says it; undefined for nowhere. */
  readonly artifacts: string | undefined
  /** Whether its time is over, or itself. */
  readonly isOver: boolean
  /** Why it has failed, when it is over; undefined where it has not. */
  failure(): FailedTest | undefined
  /** Has `end` called at its end, whatever becomes of it, and waited for; perhaps twice. */
  onEnd(end: () => Promise<void>): void
  /** Has `examine` called when a test within this one has failed. */
  onFailureWithin(examine: (test: FailedTest) => Promise<void>): void
  /** The machine of a test that has failed has left these artifacts. */
  keep(machine: Machine, artifacts: readonly string[]): void
  /** The machine's test has passed, and it is gone. */
  discard(machine: Machine): void
}

/** Whether it is a test that runs, and not words about one. */
export function isContext(test: TestContext | TestReference | undefined): test is TestContext {
  return test !== undefined && 'signal' in test
}

/** @throws TypeError for what a suite gets. */
export function owningTest(context: TestContext): OwningTest {
  return 'task' in context ? vitestTest(context) : nodeTest(context)
}

/** What the record says of whose machine it is. */
export function referenceTo(
  test: TestContext | TestReference | undefined,
): TestReference | undefined {
  return isContext(test) ? owningTest(test).reference : test
}
