/** The clock of a network. A test can pass one that it drives by hand. */
export interface Clock {
  /** Milliseconds since an arbitrary moment; never decreases. */
  now(): number
  /**
   * Calls `action` once after so many milliseconds, unless the returned function is called before. A call that is
   * outstanding does not keep the process alive.
   */
  later(milliseconds: number, action: () => void): () => void
}

/** The real clock, on Node's event loop. */
export const systemClock: Clock = {
  now: () => performance.now(),
  later(milliseconds, action) {
    const timer = setTimeout(action, milliseconds)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
