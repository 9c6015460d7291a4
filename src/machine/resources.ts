/** Owns all that has to be closed, and closes the last opened first. */
export class Resources implements AsyncDisposable {
  readonly #closers: (() => unknown)[] = []

  /** `close` is called once when this is disposed of. */
  defer(close: () => unknown): void {
    this.#closers.push(close)
  }

  use<D extends AsyncDisposable | Disposable>(resource: D): D {
    this.defer(() =>
      Symbol.asyncDispose in resource
        ? resource[Symbol.asyncDispose]()
        : resource[Symbol.dispose](),
    )
    return resource
  }

  /** Closes all of it, also when closing a part fails, and then throws that failure. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = []
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    throwAll(failures, 'several things could not be closed')
  }
}

/** Throws a single failure as it is, and several as an AggregateError. Does nothing without any. */
export function throwAll(failures: readonly unknown[], message: string): void {
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1) throw new AggregateError(failures, message)
}
