/** Something with a beginning and an end. */
interface Interval {
  readonly start: number
  readonly end: number
}

/**
 * Puts intervals into lanes so that no two in one lane overlap. It needs as many lanes as the largest number of
 * intervals that overlap at one time, which is the least possible.
 *
 * @param intervals in the order in which they start.
 * @param gap the least distance between two intervals of one lane.
 * @returns for each interval the number of its lane, from 0.
 */
export function lanesOf(intervals: readonly Interval[], gap: number): number[] {
  /** The end of the last interval in each lane. */
  const ends: number[] = []
  return intervals.map(({ start, end }) => {
    const free = ends.findIndex((until) => until + gap <= start)
    const lane = free < 0 ? ends.length : free
    ends[lane] = end
    return lane
  })
}
