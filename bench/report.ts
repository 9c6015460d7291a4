/** Rates that belong together: one of each server for each round. */
export interface Rates {
  readonly lowerdir: readonly number[]
  readonly diod: readonly number[]
}

export const heading = row('workload', 'in flight', 'lowerdir/s', 'diod/s', 'ratio', 'of rounds')

/**
 * One line of the table: each server's median, the median of the rounds' ratios, and the smallest
 * and the largest of those, which say how much to make of it. Both servers of a round were measured
 * one right after the other, so a ratio survives what else the machine is busy with.
 */
export function line(name: string, unit: string, inFlight: number, rates: Rates): string {
  const ratios = rates.lowerdir.map((rate, i) => rate / rates.diod[i]!)
  const range = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`
  const shown = (values: readonly number[]): string => `${Math.round(median(values))} ${unit}`
  const ratio = median(ratios).toFixed(2)
  return row(name, `${inFlight}`, shown(rates.lowerdir), shown(rates.diod), ratio, range)
}

function row(name: string, inFlight: string, ...numbers: readonly string[]): string {
  const [ours = '', theirs = '', ratio = '', range = ''] = numbers
  const columns = [ours.padStart(15), theirs.padStart(15), ratio.padStart(7), range.padStart(17)]
  return `${name.padEnd(24)}${inFlight.padStart(9)}${columns.join('')}`
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
