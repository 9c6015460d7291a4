/** The longest time that one of Node's timers can have, in milliseconds. A longer one would go off at once. */
const LONGEST = 2 ** 31 - 1

/**
 * Calls `action` once, after a time of any length.
 *
 * @param seconds 0 or more; Infinity for never.
 * @returns a function that stops the timer.
 * @throws RangeError for a negative number and for NaN.
 */
export function after(seconds: number, action: () => void): () => void {
  checkSeconds(seconds)
  let timer: NodeJS.Timeout | undefined
  const wait = (milliseconds: number): void => {
    const step = Math.min(milliseconds, LONGEST)
    const next = (): void => (step < milliseconds ? wait(milliseconds - step) : action())
    timer = setTimeout(next, step)
  }
  if (seconds !== Infinity) wait(seconds * 1000)
  return () => clearTimeout(timer)
}

/** @throws RangeError for a time that no timer can have. */
export function checkSeconds(seconds: number): void {
  if (seconds >= 0) return
  throw new RangeError(`A time of ${seconds} seconds: give 0 or more, or Infinity for no limit.`)
}
