import type { OwningTest } from './owning-test.ts'

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

/** A test of node:test's. @throws TypeError for what a suite gets. */
export function nodeTest(context: NodeTestContext): OwningTest {
  if (typeof context.after !== 'function') {
    throw new TypeError(
      'The option `test` takes what the function of a test gets, `test("…", (t) => …)`. What a suite gets cannot end a machine.',
    )
  }
  const [, file] = process.argv
  return {
    name: context.name,
    reference: file === undefined ? undefined : { file, name: context.fullName.split(SEPARATOR) },
    artifacts: undefined,
    get isOver() {
      return context.signal.aborted
    },
    failure: () => failureOf(context),
    onEnd(end) {
      context.after(end)
      // Where a hook before this one has thrown, Node calls no other.
      context.signal.addEventListener('abort', () => void end(), { once: true })
    },
    // Node tells no hook of this test that a test within it has failed.
    onFailureWithin(examine) {
      context.afterEach(async (within) => {
        const failure = failureOf(within)
        if (failure !== undefined) await examine(failure)
      })
    },
    // `lowerdir test` knows where they are, and which are worth keeping.
    keep() {},
    discard() {},
  }
}

function failureOf({ name, passed, error }: NodeTestContext): ReturnType<OwningTest['failure']> {
  if (passed !== false) return undefined
  const thrown: unknown = error?.cause ?? error
  return { name, message: thrown instanceof Error ? thrown.message : String(thrown) }
}
