import { setTimeout as sleep } from 'node:timers/promises'

/** A condition that is checked as long as this is not disposed of. */
export class Always implements AsyncDisposable {
  readonly #stop = new AbortController()
  readonly #checking: Promise<void>

  /**
   * @param check false, or what it throws, is the end of it.
   * @param interval seconds between two checks.
   * @param onUpset is called once, when it does not hold.
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
      await sleep(interval * 1000, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  /** Stops checking, once a check that is under way has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#checking
  }
}
