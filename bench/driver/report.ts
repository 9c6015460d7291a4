import { median } from '../statistics.ts'
import { MISSED, timeOf } from '../text.ts'
import { type ProcessorTime, takers } from './processor-time.ts'
import type { DriverResults, GuestTimes } from './results.ts'

/** How long a command is to take at most, half of the time, in milliseconds; where guests are emulated, too. */
const ROUND_TRIP_GOAL = 15

const MS_PER_S = 1000

/** What a reader of the tables has to know. */
const legend = [
  `"${MISSED}" is where a goal is missed, which stands behind it. Processor time is that of the guest's own instructions + of`,
  'QEMU beside them + of this process with its servers: what others do on this machine hardly changes it.',
]

/** The results as text for a terminal. */
export function driverReport({ notes, guests }: DriverResults): string {
  return [
    ...notes,
    ...legend,
    '',
    row('seconds until the first command has run', ['boot', 'of rounds', 'processor']),
    ...guests.map(bootRow),
    ...guests.flatMap(roundTripTable),
  ].join('\n')
}

function bootRow({ name, boots }: GuestTimes): string {
  const seconds = boots.map(({ milliseconds }) => milliseconds / MS_PER_S)
  const [least, most] = [Math.min(...seconds), Math.max(...seconds)]
  return row(name, [
    median(seconds).toFixed(2),
    `${least.toFixed(2)} to ${most.toFixed(2)}`,
    sharesOf(boots, MS_PER_S, 1),
  ])
}

function roundTripTable({ name: guest, roundTrips }: GuestTimes): string[] {
  const rows = Object.entries(roundTrips).map(([name, rounds]) => {
    const p50 = median(rounds.map((round) => round.p50))
    const p95 = median(rounds.map((round) => round.p95))
    return row(name, [timeOf(p50, ROUND_TRIP_GOAL, 1), p95.toFixed(1), sharesOf(rounds, 1, 1)])
  })
  if (rows.length === 0) return rows
  return ['', row(`${guest}: milliseconds for a command`, ['p50', 'p95', 'processor']), ...rows]
}

/** The rounds' medians, one for each taker. */
function sharesOf(
  rounds: readonly { readonly processor: ProcessorTime }[],
  unit: number,
  digits: number,
): string {
  return takers
    .map((taker) => median(rounds.map(({ processor }) => processor[taker] / unit)).toFixed(digits))
    .join(' + ')
}

function row(name: string, columns: readonly string[]): string {
  return `${name.padEnd(54)}${columns.map((text) => text.padStart(18)).join('')}`
}
