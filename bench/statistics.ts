/** The median of the values; NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length % 2 === 1) return sorted[middle] ?? Number.NaN
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

/** The smallest of the values that `percent` of them do not exceed (nearest rank); NaN for none. */
export function percentile(values: readonly number[], percent: number): number {
  const rank = Math.ceil((percent / 100) * values.length)
  return values.toSorted((a, b) => a - b)[Math.max(rank, 1) - 1] ?? Number.NaN
}

/**
 * The ratios of values with the same index: those of one round, which were measured one right after the
 * other, so that other load on the machine hardly changes their ratio. Values without a partner are left out.
 */
export function quotients(above: readonly number[], below: readonly number[]): number[] {
  return above
    .slice(0, below.length)
    .map((value, i) => value / (below[i] ?? Number.NaN))
    .filter((ratio) => !Number.isNaN(ratio))
}
