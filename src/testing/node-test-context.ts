import type { TestReference } from './record/event.ts'

/** What the function of a test of node:test's gets, as far as it is used here. Node has all of it since 20.16. */
export interface NodeTestContext {
  readonly name: string
  /** With the names of the tests and suites around it, joined by {@link SEPARATOR}. */
  readonly fullName: string
  /** Aborted when the test's time is over, and at its end. */
  readonly signal: AbortSignal
  /** Whether it has passed, for hooks that run behind it. Node's types do not know of it before version 24. */
  readonly passed?: boolean
  /** Why it has failed, within an error of Node's own. */
  readonly error?: Error | null
  after(hook: () => Promise<void>): void
  /** Behind each test within this one. */
  afterEach(hook: (test: NodeTestContext) => Promise<void>): void
}

/** How Node joins the names of tests. */
const SEPARATOR = ' > '

/** Whether it is a test that runs, and not words about one. */
export function isContext(
  test: TestReference | NodeTestContext | undefined,
): test is NodeTestContext {
  return test !== undefined && 'signal' in test
}

/** What the record says of whose machine it is. */
export function referenceTo(
  test: TestReference | NodeTestContext | undefined,
): TestReference | undefined {
  if (!isContext(test)) return test
  const [, file] = process.argv
  return file === undefined ? undefined : { file, name: test.fullName.split(SEPARATOR) }
}
