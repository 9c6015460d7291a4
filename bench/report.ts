/** Rates that belong together: one of each server for each round. */
export interface Rates {
  readonly lowerdir: readonly number[]
  readonly diod: readonly number[]
}

export const heading = row('workload', 'in flight', 'lowerdir/s', 'diod/s', 'ratio', '(rounds)')

/**
 * One line of the table: the medians, their ratio, and the smallest and the largest ratio of a round,
 * which say how much to make of it.
 */
export function line(name: string, unit: string, inFlight: number, rates: Rates): string {
  const [ours, theirs] = [median(rates.lowerdir), median(rates.diod)]
  const ratios = rates.lowerdir.map((rate, i) => rate / rates.diod[i]!)
  const range = `(${Math.min(...ratios).toFixed(1)} to ${Math.max(...ratios).toFixed(1)})`
  const shown = (rate: number): string => `${Math.round(rate)} ${unit}`
  return row(name, `${inFlight}`, shown(ours), shown(theirs), (ours / theirs).toFixed(2), range)
}

function row(name: string, inFlight: string, ...numbers: readonly string[]): string {
  const [ours = '', theirs = '', ratio = '', range = ''] = numbers
  const columns = [ours.padStart(15), theirs.padStart(15), ratio.padStart(7), range.padStart(14)]
  return `${name.padEnd(24)}${inFlight.padStart(9)}${columns.join('')}`
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
