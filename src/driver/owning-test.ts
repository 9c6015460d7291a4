import type { TestReference } from '../record/event.ts'
import { type NodeTestContext, nodeTest } from './node-test-context.ts'
import type { OwningTest } from './test-owner.ts'
import { type VitestContext, vitestTest } from './vitest-context.ts'

/** The argument of a test's function, in node:test and in Vitest. */
export type TestContext = NodeTestContext | VitestContext

/** Whether it is a running test, and not only a reference to one. */
export function isContext(test: TestContext | TestReference | undefined): test is TestContext {
  return test !== undefined && 'signal' in test
}

/** The test of a context. @throws TypeError for the context of a suite, which cannot own machines. */
export function owningTest(context: TestContext): OwningTest {
  return 'task' in context ? vitestTest(context) : nodeTest(context)
}

/** The test's place and name, for the record of its machines. */
export function referenceTo(
  test: TestContext | TestReference | undefined,
): TestReference | undefined {
  return isContext(test) ? owningTest(test).reference : test
}
