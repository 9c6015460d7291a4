import { median, quotients } from '../statistics.ts'
import type { Load } from './load.ts'

/** Measurements that belong together: one of each server for each round. */
export interface Loads {
  readonly lowerdir: readonly Load[]
  readonly diod: readonly Load[]
}

/**
 * What the columns say. Rates are medians. A ratio is the median of the rounds' ratios, with the
 * smallest and the largest of those, which say how much to make of it: both servers of a round were
 * measured one right after the other, so a ratio survives what else the machine is busy with.
 * `cpu` is the server's own processor time, in microseconds for each unit, and how many times as much
 * of it diod takes: the client's share is not in there.
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
