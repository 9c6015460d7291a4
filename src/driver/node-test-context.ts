import type { OwningTest } from './test-owner.ts'
import { messageOf } from '../util/error.ts'

/** The argument of a node:test test's function, as far as it is used here. Node has all of it since 20.16. */
export interface NodeTestContext {
  readonly name: string
  /** The names of the suites and tests around it and its own, joined by `" > "`. */
  readonly fullName: string
  /** Aborted when the test's time is over, and at its end. */
  readonly signal: AbortSignal
  /** Whether the test has passed, for hooks that run after it. Node's types have it since version 24. */
  readonly passed?: boolean
  /** Why it has failed; the test's own error is the cause. */
  readonly error?: Error | null
  /** Runs `hook` after the test. */
  after(hook: () => Promise<void>): void
  /** Runs `hook` after each subtest. */
  afterEach(hook: (test: NodeTestContext) => Promise<void>): void
}

/** What Node puts between the names in `fullName`. */
const SEPARATOR = ' > '

/** A node:test test as the owner of machines. @throws TypeError for the context of a suite. */
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
      // Node calls no further hooks after one that throws, but it always aborts the signal.
      context.signal.addEventListener('abort', () => void end(), { once: true })
    },
    // Hooks of the test itself are not told that a subtest has failed.
    onFailureWithin(examine) {
      context.afterEach(async (within) => {
        const failure = failureOf(within)
        if (failure !== undefined) await examine(failure)
      })
    },
    // `lowerdir test` finds the artifacts by itself, and removes those of tests that have passed.
    keep() {},
    discard() {},
  }
}

function failureOf({ name, passed, error }: NodeTestContext): ReturnType<OwningTest['failure']> {
  if (passed !== false) return undefined
  const thrown: unknown = error?.cause ?? error
  return { name, message: messageOf(thrown) }
}
