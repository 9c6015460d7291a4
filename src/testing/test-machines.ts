import { Resources } from '../machine/resources.ts'
import { anySignal } from './any-signal.ts'
import { type FailedTest, examine } from './failed-test.ts'
import type { Machine } from './machine.ts'
import { type NodeTestContext, isContext } from './node-test-context.ts'
import type { BootOptions } from './options.ts'

/** Starts a machine; where its options name a test of node:test's, it is that test's. */
export async function startMachine<Options extends Pick<BootOptions, 'test' | 'signal'>>(
  options: Options,
  start: (options: Options) => Promise<Machine>,
): Promise<Machine> {
  const { test } = options
  if (!isContext(test)) return start(options)
  return TestMachines.of(test).start((signal) =>
    start({ ...options, signal: anySignal(options.signal, signal) }),
  )
}

/** The machines of a test of node:test's, and whatever else is gone with it. */
export class TestMachines {
  static readonly #known = new WeakMap<NodeTestContext, TestMachines>()

  readonly #test: NodeTestContext
  readonly #resources = new Resources()
  readonly #machines: Machine[] = []
  /** What is being started, and how to stop that. */
  readonly #starting = new Map<AbortController, Promise<unknown>>()
  #end: Promise<void> | undefined

  private constructor(test: NodeTestContext) {
    this.#test = test
    test.after(() => this.#finish())
    // Where a hook before this one has thrown, Node calls no other.
    test.signal.addEventListener('abort', () => void this.#finish(), { once: true })
    // It passes whatever becomes of the tests within it, as far as hooks are told.
    test.afterEach((within) => this.#examine(within))
  }

  /** Those of a test, which has to be under way. */
  static of(test: NodeTestContext): TestMachines {
    if (typeof test.after !== 'function') {
      throw new TypeError(
        'The option `test` takes what the function of a test gets, `test("…", (t) => …)`. What a suite gets cannot end a machine.',
      )
    }
    const known = this.#known.get(test) ?? new TestMachines(test)
    this.#known.set(test, known)
    return known
  }

  /** Starts a machine that is examined before its end if the test has failed. As {@link own} otherwise. */
  async start(start: (signal: AbortSignal) => Promise<Machine>): Promise<Machine> {
    const machine = await this.own(start)
    this.#machines.push(machine)
    return machine
  }

  /**
   * Starts something that is closed at the end of the test. When the test ends before it is there, nobody waits for it.
   *
   * @param start gets a signal that is aborted then, and not later on.
   * @throws what `start` does, and Error when the test is over already.
   */
  async own<D extends AsyncDisposable>(start: (signal: AbortSignal) => Promise<D>): Promise<D> {
    if (this.#end !== undefined || this.#test.signal.aborted) throw this.#over()
    const abort = new AbortController()
    const started = start(abort.signal)
    this.#starting.set(abort, started)
    try {
      return this.#resources.use(await started)
    } finally {
      this.#starting.delete(abort)
    }
  }

  /** What the test's hook waits for, and the abortion of its signal begins: whichever comes first. */
  #finish(): Promise<void> {
    this.#end ??= this.#close()
    return this.#end
  }

  async #close(): Promise<void> {
    for (const abort of this.#starting.keys()) abort.abort(this.#over())
    await Promise.allSettled(this.#starting.values())
    try {
      await this.#examine(this.#test)
    } finally {
      await this.#resources[Symbol.asyncDispose]()
    }
  }

  async #examine(test: NodeTestContext): Promise<void> {
    if (test.passed !== false) return
    for (const machine of this.#machines) await examine(machine, failureOf(test))
  }

  #over(): Error {
    return new Error(`The test "${this.#test.name}" is over, and its machines with it.`)
  }
}

function failureOf({ name, error }: NodeTestContext): FailedTest {
  const thrown: unknown = error?.cause ?? error
  return { name, message: thrown instanceof Error ? thrown.message : String(thrown) }
}
