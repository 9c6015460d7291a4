import { after } from './waits/after.ts'
import { pause } from './waits/wait.ts'

/** How long the end of checking waits for a check that is under way, in seconds. */
const LAST_CHECK = 10

/** Checks a condition again and again, until it does not hold or this is disposed of. */
export class Always implements AsyncDisposable {
  readonly #stop = new AbortController()
  readonly #checking: Promise<void>

  /**
   * @param check fails the condition by returning false or by throwing.
   * @param interval seconds between two checks.
   * @param onUpset is called once, when the condition does not hold.
   */
  constructor(check: () => unknown, interval: number, onUpset: (error: unknown) => void) {
    this.#checking = this.#run(check, interval, onUpset)
  }

  async #run(
    check: () => unknown,
    interval: number,
    onUpset: (error: unknown) => void,
  ): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        if ((await check()) === false) throw new Error('it does not hold any more')
      } catch (error) {
        if (!signal.aborted) onUpset(error)
        return
      }
      await pause(interval * 1000, signal)
    }
  }

  /** Stops checking. Resolves when a check that is under way has ended, or does not end for {@link LAST_CHECK}. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await new Promise<void>((resolve) => {
      const stop = after(LAST_CHECK, resolve)
      void this.#checking.finally(stop).then(resolve)
    })
  }
}
