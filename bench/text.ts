/** How a number that misses its goal is marked. */
export const MISSED = '!'

/** A ratio, with its goal behind it where it misses that; `-` for none. */
export function rateOf(ratio: number, goal: number | undefined): string {
  if (Number.isNaN(ratio)) return '-'
  if (goal === undefined || ratio >= goal) return ratio.toFixed(2)
  return `${ratio.toFixed(2)} ${MISSED} ${goal.toFixed(1)}`
}

/** A time, with its goal behind it where it takes longer than that; `-` for none. */
export function timeOf(time: number, goal: number | undefined, digits: number): string {
  if (Number.isNaN(time)) return '-'
  const text = time.toFixed(digits)
  return goal === undefined || time <= goal ? text : `${text} ${MISSED} ${goal}`
}
