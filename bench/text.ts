/** The mark of a number that misses its goal. */
export const MISSED = '!'

/** A ratio, followed by its goal if it misses the goal; `-` for NaN. */
export function rateOf(ratio: number, goal: number | undefined): string {
  if (Number.isNaN(ratio)) return '-'
  if (goal === undefined || ratio >= goal) return ratio.toFixed(2)
  return `${ratio.toFixed(2)} ${MISSED} ${goal.toFixed(1)}`
}

/** A time, followed by its goal if it is longer than the goal; `-` for NaN. */
export function timeOf(time: number, goal: number | undefined, digits: number): string {
  if (Number.isNaN(time)) return '-'
  const text = time.toFixed(digits)
  return goal === undefined || time <= goal ? text : `${text} ${MISSED} ${goal}`
}
