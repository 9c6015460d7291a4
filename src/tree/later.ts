/**
 * Calls `action` once, after `milliseconds`, unless the returned function is called first. The program
 * that serves a tree hands this to it, because a thread in a poll loop never runs Node's timers.
 */
export type Later = (milliseconds: number, action: () => void) => () => void

/** {@link Later} on Node's event loop, which such a timer alone does not keep alive. */
export const laterOnEventLoop: Later = (milliseconds, action) => {
  const timer = setTimeout(action, milliseconds)
  timer.unref()
  return () => clearTimeout(timer)
}
