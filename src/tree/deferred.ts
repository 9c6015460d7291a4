/**
 * An answer that comes later. It is not a promise: the process that serves a tree never returns to Node's
 * event loop, so a promise's callbacks would never run. The callbacks of a Deferred run at once.
 *
 * The tree that cannot answer yet keeps this object and settles it. The session that waits for it may cancel
 * it before (at a flush, or at the end of the connection). Settling has no effect then.
 */
export class Deferred<V> {
  #waiting: ((outcome: Outcome<V>) => void) | undefined
  #outcome: Outcome<V> | undefined
  #onCancel: (() => void) | undefined

  /** @param onCancel called once if the wait is cancelled, so that the tree drops what it has kept for it. */
  constructor(onCancel?: () => void) {
    this.#onCancel = onCancel
  }

  /** Settles it with its answer. Only the first of {@link resolve} and {@link reject} counts. */
  resolve(value: V): void {
    this.#settle({ ok: true, value })
  }

  /** Settles it with a failure. */
  reject(error: unknown): void {
    this.#settle({ ok: false, error })
  }

  /**
   * Calls `waiting` with the outcome, now or later, unless the wait is cancelled before. Only one caller may
   * wait.
   */
  wait(waiting: (outcome: Outcome<V>) => void): void {
    if (this.#outcome !== undefined) waiting(this.#outcome)
    else this.#waiting = waiting
  }

  /**
   * Cancels the wait: nothing is called any more. If the tree has not settled yet, its `onCancel` is called.
   */
  cancel(): void {
    this.#waiting = undefined
    const onCancel = this.#onCancel
    this.#onCancel = undefined
    if (this.#outcome === undefined) onCancel?.()
  }

  /** The same wait with another form of answer. Cancelling the result cancels this one. */
  map<W>(change: (value: V) => W): Deferred<W> {
    const mapped = new Deferred<W>(() => this.cancel())
    this.wait((outcome) => {
      if (outcome.ok) mapped.resolve(change(outcome.value))
      else mapped.reject(outcome.error)
    })
    return mapped
  }

  #settle(outcome: Outcome<V>): void {
    if (this.#outcome !== undefined) return
    this.#outcome = outcome
    this.#onCancel = undefined
    this.#waiting?.(outcome)
  }
}

/** The outcome of a {@link Deferred}: its answer, or what was thrown. */
export type Outcome<V> =
  | { readonly ok: true; readonly value: V }
  | { readonly ok: false; readonly error: unknown }
