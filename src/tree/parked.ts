/**
 * An answer that comes later, without a promise: the engine thread never returns to the event loop,
 * so what it waits for must be able to call back at once.
 *
 * The tree that parks a request keeps this object and settles it; the session that waits for it may
 * cancel it first (Tflush, or the end of the connection), after which settling has no effect.
 */
export class Parked<V> {
  #waiting: ((outcome: Outcome<V>) => void) | undefined
  #outcome: Outcome<V> | undefined
  #onCancel: (() => void) | undefined

  /** @param onCancel called once when nobody waits any more: let go of what was kept. */
  constructor(onCancel?: () => void) {
    this.#onCancel = onCancel
  }

  resolve(value: V): void {
    this.#settle({ ok: true, value })
  }

  reject(error: unknown): void {
    this.#settle({ ok: false, error })
  }

  /** Calls `waiting` with the outcome, now or later, unless cancelled before. */
  wait(waiting: (outcome: Outcome<V>) => void): void {
    if (this.#outcome !== undefined) waiting(this.#outcome)
    else this.#waiting = waiting
  }

  cancel(): void {
    this.#waiting = undefined
    const onCancel = this.#onCancel
    this.#onCancel = undefined
    if (this.#outcome === undefined) onCancel?.()
  }

  /** The same wait with another form of answer; cancelling it cancels this one. */
  map<W>(change: (value: V) => W): Parked<W> {
    const mapped = new Parked<W>(() => this.cancel())
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

export type Outcome<V> =
  | { readonly ok: true; readonly value: V }
  | { readonly ok: false; readonly error: unknown }
