/** Time as the network counts it. A test may have one of its own. */
export interface Clock {
  /** Milliseconds from any beginning; never fewer than before. */
  now(): number
  /**
   * Calls `action` once, when `milliseconds` are over, unless the returned function calls it off. That it
   * waits keeps no process alive.
   */
  later(milliseconds: number, action: () => void): () => void
}

/** That of this machine, on Node's event loop. */
export const systemClock: Clock = {
  now: () => performance.now(),
  later(milliseconds, action) {
    const timer = setTimeout(action, milliseconds)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
