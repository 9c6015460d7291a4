import { Resources } from '../machine/resources.ts'
import { examine } from './failed-test.ts'
import { artifactsRoot } from '../record/artifacts.ts'
import type { BootOptions } from './options.ts'
import { type TestContext, isContext, owningTest } from './owning-test.ts'
import type { RunningGuest } from './running-guest.ts'
import type { FailedTest, OwningTest } from './test-owner.ts'
import { anySignal } from './waits/wait.ts'

/** Starts a machine. Where its options have the context of a running test, that test owns it. */
export async function startMachine<
  Options extends Pick<BootOptions, 'test' | 'signal' | 'artifacts'>,
>(options: Options, start: (options: Options) => Promise<RunningGuest>): Promise<RunningGuest> {
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

/** The machines of a test, and everything else that ends with it. */
export class TestMachines {
  static readonly #known = new WeakMap<TestContext, TestMachines>()

  readonly #context: TestContext
  readonly #test: OwningTest
  readonly #resources = new Resources()
  readonly #machines: RunningGuest[] = []
  /** Starts that are under way. Aborting the key stops one. */
  readonly #starting = new Map<AbortController, Promise<unknown>>()
  #end: Promise<void> | undefined

  private constructor(context: TestContext) {
    this.#context = context
    this.#test = owningTest(context)
    this.#test.onEnd(() => this.#finish())
    this.#test.onFailureWithin((within) => this.#examine(within))
  }

  /** The machines of a running test. @throws TypeError for the context of a suite. */
  static of(context: TestContext): TestMachines {
    const known = this.#known.get(context) ?? new TestMachines(context)
    this.#known.set(context, known)
    return known
  }

  /** The default folder of artifacts; undefined for none. */
  get artifacts(): string | undefined {
    return this.#test.artifacts
  }

  /** As {@link own}, for a machine, which is examined before its end if the test has failed. */
  async start(start: (signal: AbortSignal) => Promise<RunningGuest>): Promise<RunningGuest> {
    const machine = await this.own(start)
    this.#machines.push(machine)
    return machine
  }

  /**
   * Starts a resource that is closed at the end of the test.
   *
   * @param start gets a signal that is aborted when the test ends before the resource has started.
   * @throws what `start` throws; Error when the test has ended already.
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

  /** Ends everything once. The runner may call it several times, and waits for each call. */
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
      // The runner may run the test again, which then gets machines of its own.
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
