/** Something with a beginning and an end. */
interface Interval {
  readonly start: number
  readonly end: number
}

/**
 * Puts intervals into lanes so that no two of one lane overlap, in as few lanes as there are intervals
 * at one time.
 *
 * @param intervals in the order in which they start.
 * @param gap that is kept between two of one lane.
 * @returns For each interval the number of its lane, from 0.
 */
export function lanesOf(intervals: readonly Interval[], gap: number): number[] {
  /** Where each lane is free again. */
  const ends: number[] = []
  return intervals.map(({ start, end }) => {
    const free = ends.findIndex((until) => until + gap <= start)
    const lane = free < 0 ? ends.length : free
    ends[lane] = end
    return lane
  })
}
