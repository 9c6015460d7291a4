/** Calls somebody when nothing has happened for too long, once. */
export class Watchdog implements Disposable {
  readonly #timer: NodeJS.Timeout

  /** @param patience in milliseconds, at most 2^31 - 1. */
  constructor(patience: number, onLate: () => void) {
    this.#timer = setTimeout(onLate, patience)
  }

  /** Something has happened. */
  reset(): void {
    this.#timer.refresh()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}
