import { median, quotients } from '../statistics.ts'
import { rateOf } from '../text.ts'
import type { FsLoad } from './measure.ts'

/** The measurements of one workload: one of each server in each round. */
export interface FsLoads {
  readonly lowerdir: readonly FsLoad[]
  readonly virtiofsd: readonly FsLoad[]
}

/** The widths of the columns behind the first. */
const WIDTHS = [6, 12, 12, 12, 15, 12, 12, 8, 10, 7]

/**
 * The heading of the columns: jobs per second; the median of the rounds' ratios, with its goal where it misses that, and
 * the smallest and the largest of them; latencies in microseconds, of half and of 99 % of the jobs; microseconds of CPU time
 * of each server for a job, and how many times as much virtiofsd takes.
 */
export const heading = row('workload', [
  'depth',
  'lowerdir/s',
  'virtiofsd/s',
  'ratio',
  'of rounds',
  'latency',
  'virtiofsd',
  'CPU',
  'virtiofsd',
  'ratio',
])

export function line(
  name: string,
  depth: number,
  goal: number | undefined,
  { lowerdir, virtiofsd }: FsLoads,
): string {
  const ratios = quotients(lowerdir.map(rate), virtiofsd.map(rate))
  const cpuRatios = quotients(virtiofsd.map(cpu), lowerdir.map(cpu))
  const latencies = (loads: readonly FsLoad[]): string =>
    [loads.map(({ latency }) => latency), loads.map(({ latency99 }) => latency99)]
      .map((values) => median(values).toFixed(0))
      .join(', ')
  return row(name, [
    `${depth}`,
    median(lowerdir.map(rate)).toFixed(0),
    median(virtiofsd.map(rate)).toFixed(0),
    rateOf(median(ratios), goal),
    `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`,
    latencies(lowerdir),
    latencies(virtiofsd),
    median(lowerdir.map(cpu)).toFixed(1),
    median(virtiofsd.map(cpu)).toFixed(1),
    median(cpuRatios).toFixed(2),
  ])
}

function rate(load: FsLoad): number {
  return load.rate
}

/** In microseconds. */
function cpu(load: FsLoad): number {
  return load.cpu / 1000
}

function row(name: string, columns: readonly string[]): string {
  return `${name.padEnd(17)}${columns.map((text, i) => text.padStart(WIDTHS[i] ?? 0)).join('')}`
}
