import { Resources } from '../machine/resources.ts'
import { anySignal } from './any-signal.ts'
import { type FailedTest, examine } from './failed-test.ts'
import type { Machine } from './machine.ts'
import type { BootOptions } from './options.ts'
import { type OwningTest, type TestContext, isContext, owningTest } from './owning-test.ts'
import { artifactsRoot } from '../record/artifacts.ts'

/** Starts a machine; where its options name a test that is under way, it is that test's. */
export async function startMachine<
  Options extends Pick<BootOptions, 'test' | 'signal' | 'artifacts'>,
>(options: Options, start: (options: Options) => Promise<Machine>): Promise<Machine> {
  const { test } = options
  if (!isContext(test)) return start(options)
  const machines = TestMachines.of(test)
  const artifacts = artifactsRoot(options.artifacts) ?? machines.artifacts
  return machines.start((signal) =>
    start({
      ...options,
      signal: anySignal(options.signal, signal),
      ...(artifacts === undefined ? {} : { artifacts }),
    }),
  )
}

/** The machines of a test, and whatever else is gone with it. */
export class TestMachines {
  static readonly #known = new WeakMap<TestContext, TestMachines>()

  readonly #context: TestContext
  readonly #test: OwningTest
  readonly #resources = new Resources()
  readonly #machines: Machine[] = []
  /** What is being started, and how to stop that. */
  readonly #starting = new Map<AbortController, Promise<unknown>>()
  #end: Promise<void> | undefined

  private constructor(context: TestContext) {
    this.#context = context
    this.#test = owningTest(context)
    this.#test.onEnd(() => this.#finish())
    this.#test.onFailureWithin((within) => this.#examine(within))
  }

  /** Those of a test, which has to be under way. @throws TypeError for what a suite gets. */
  static of(context: TestContext): TestMachines {
    const known = this.#known.get(context) ?? new TestMachines(context)
    this.#known.set(context, known)
    return known
  }

  /** Where their artifacts are when nobody says it. */
  get artifacts(): string | undefined {
    return this.#test.artifacts
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
    if (this.#end !== undefined || this.#test.isOver) throw this.#over()
    const abort = new AbortController()
    const started = start(abort.signal)
    this.#starting.set(abort, started)
    try {
      return this.#resources.use(await started)
    } finally {
      this.#starting.delete(abort)
    }
  }

  /** What the test's end waits for, however often it is told of that. */
  #finish(): Promise<void> {
    this.#end ??= this.#close()
    return this.#end
  }

  async #close(): Promise<void> {
    for (const abort of this.#starting.keys()) abort.abort(this.#over())
    await Promise.allSettled(this.#starting.values())
    const failure = this.#test.failure()
    try {
      if (failure !== undefined) await this.#examine(failure)
    } finally {
      await this.#resources[Symbol.asyncDispose]()
      // It may be tried again.
      if (!this.#test.isOver) TestMachines.#known.delete(this.#context)
    }
    if (failure !== undefined) return
    for (const machine of this.#machines) this.#test.discard(machine)
  }

  async #examine(failure: FailedTest): Promise<void> {
    for (const machine of this.#machines) this.#test.keep(machine, await examine(machine, failure))
  }

  #over(): Error {
    return new Error(`The test "${this.#test.name}" is over, and its machines with it.`)
  }
}
