import { median, quotients } from '../statistics.ts'
import type { Load } from './load.ts'

/** The measurements of one workload: one of each server in each round. */
export interface Loads {
  readonly lowerdir: readonly Load[]
  readonly diod: readonly Load[]
}

/**
 * The heading of the columns. Rates are medians. `ratio` is the median of the rounds' ratios, and `of rounds` the
 * smallest and the largest of them, which shows how reliable it is: both servers of a round were measured one right
 * after the other, so other load on the machine hardly changes their ratio. `cpu` and `diod` are the servers' own CPU
 * time in microseconds for each unit, without the client's, and the last column is diod's divided by lowerdir's.
 */
export const heading = row(
  ['workload', 'in flight', 'lowerdir/s', 'diod/s', 'ratio', 'of rounds'],
  ['cpu', 'diod', 'ratio'],
)

export function line(name: string, unit: string, inFlight: string, loads: Loads): string {
  const rates = (server: keyof Loads): number[] => loads[server].map(({ rate }) => rate)
  const cpu = (server: keyof Loads): number[] => loads[server].map((load) => load.cpu / 1000)
  const ratios = quotients(rates('lowerdir'), rates('diod'))
  const range = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`
  const shown = (server: keyof Loads): string => `${Math.round(median(rates(server)))} ${unit}`
  return row(
    [name, inFlight, shown('lowerdir'), shown('diod'), median(ratios).toFixed(2), range],
    [
      ...[cpu('lowerdir'), cpu('diod')].map((values) => median(values).toFixed(1)),
      median(quotients(cpu('diod'), cpu('lowerdir'))).toFixed(2),
    ],
  )
}

function row(rate: readonly string[], cpu: readonly string[]): string {
  const [name = '', inFlight = '', ours = '', theirs = '', ratio = '', range = ''] = rate
  const columns = [ours.padStart(15), theirs.padStart(15), ratio.padStart(7), range.padStart(17)]
  const times = cpu.map((text) => text.padStart(8))
  return `${name.padEnd(24)}${inFlight.padStart(9)}${columns.join('')} ${times.join('')}`
}
