/**
 * Calls `action` once, after `milliseconds`, unless the returned function is called before. The program that
 * serves a tree passes this in, because a process in a event loop never runs Node's timers.
 */
export type Later = (milliseconds: number, action: () => void) => () => void

/** {@link Later} on Node's event loop. Such a timer does not keep the process alive. */
export const laterOnEventLoop: Later = (milliseconds, action) => {
  const timer = setTimeout(action, milliseconds)
  timer.unref()
  return () => clearTimeout(timer)
}
