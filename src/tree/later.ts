/**
 * Calls `action` once, when `milliseconds` are over, unless the returned function calls it off. A tree
 * gets this from whoever runs it: an engine's thread never returns to Node's event loop.
 */
export type Later = (milliseconds: number, action: () => void) => () => void

/** On Node's event loop, which a timer alone does not keep alive. */
export const laterOnEventLoop: Later = (milliseconds, action) => {
  const timer = setTimeout(action, milliseconds)
  timer.unref()
  return () => clearTimeout(timer)
}
