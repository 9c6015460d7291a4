/**
 * An answer that comes later. It is no promise, because the thread that serves a tree never returns to
 * Node's event loop: a callback runs at once, a promise's would never run.
 *
 * The tree that cannot answer yet keeps this object and settles it. The session that waits for it may
 * cancel it first (a flush, or the end of the connection); settling it has no effect then.
 */
export class Deferred<V> {
  #waiting: ((outcome: Outcome<V>) => void) | undefined
  #outcome: Outcome<V> | undefined
  #onCancel: (() => void) | undefined

  /** @param onCancel called once if the wait is cancelled: the tree drops what it kept for it. */
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

  /** Calls `waiting` with the outcome, now or later, unless the wait is cancelled before. One caller may wait. */
  wait(waiting: (outcome: Outcome<V>) => void): void {
    if (this.#outcome !== undefined) waiting(this.#outcome)
    else this.#waiting = waiting
  }

  /** Ends the wait: nothing is called any more, and the tree is told if it has not settled yet. */
  cancel(): void {
    this.#waiting = undefined
    const onCancel = this.#onCancel
    this.#onCancel = undefined
    if (this.#outcome === undefined) onCancel?.()
  }

  /** The same wait with another form of answer; cancelling that one cancels this one. */
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

/** What became of a {@link Deferred}: its answer, or what was thrown. */
export type Outcome<V> =
  | { readonly ok: true; readonly value: V }
  | { readonly ok: false; readonly error: unknown }
