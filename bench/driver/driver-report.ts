import { median, quotients } from '../statistics.ts'
import { MISSED, rateOf, timeOf } from '../text.ts'
import { goals } from './goals.ts'
import { type CpuTime, takers } from './cpu-time.ts'
import type { DriverResults, GuestTimes, SuiteTimes } from './results.ts'

const MS_PER_S = 1000

/** How to read the tables. */
const legend = [
  `"${MISSED}" marks a missed goal and precedes it. CPU time has three parts: the guest's own instructions + the rest of QEMU +`,
  'this process with its servers. On a machine with other load, compare CPU times rather than elapsed times.',
]

/** The results as text for a terminal. */
export function driverReport({ notes, guests, suite }: DriverResults): string {
  return [
    ...notes,
    ...legend,
    ...firstCommandTable(guests),
    ...guests.flatMap(roundTripTable),
    ...(suite === undefined ? [] : suiteLines(suite)),
  ].join('\n')
}

function firstCommandTable(guests: readonly GuestTimes[]): string[] {
  if (guests.length === 0) return []
  const heading = row('seconds until the first command has run', [
    'median',
    'of rounds',
    'than a boot',
    'CPU',
  ])
  return ['', heading, ...guests.flatMap(firstCommandRows)]
}

function firstCommandRows({ name, boots, restores, saves }: GuestTimes): string[] {
  const boot = boots.map(({ milliseconds }) => milliseconds / MS_PER_S)
  const restore = restores.map(({ milliseconds }) => milliseconds / MS_PER_S)
  const save = saves.map((milliseconds) => milliseconds / MS_PER_S)
  const booted = row(`${name}: boot`, [
    median(boot).toFixed(2),
    rangeOf(boot),
    '',
    sharesOf(boots, MS_PER_S, 2),
  ])
  if (restores.length === 0) return [booted]
  const restored = row(`${name}: restore`, [
    timeOf(median(restore), goals.restoreSeconds, 2),
    rangeOf(restore),
    `${rateOf(median(quotients(boot, restore)), goals.restoreRatio)} x`,
    sharesOf(restores, MS_PER_S, 2),
  ])
  const saved = row(`${name}: save, after its commands`, [median(save).toFixed(2), rangeOf(save)])
  return [booted, restored, saved]
}

function roundTripTable({ name: guest, roundTrips }: GuestTimes): string[] {
  const rows = Object.entries(roundTrips).map(([name, rounds]) => {
    const p50 = median(rounds.map((round) => round.p50))
    const p95 = median(rounds.map((round) => round.p95))
    return row(name, [
      timeOf(p50, goals.roundTripMilliseconds, 1),
      p95.toFixed(1),
      '',
      sharesOf(rounds, 1, 1),
    ])
  })
  if (rows.length === 0) return rows
  const heading = row(`${guest}: milliseconds for a command`, ['p50', 'p95', '', 'CPU'])
  return ['', heading, ...rows]
}

function suiteLines({ guest, tests, booted, restored }: SuiteTimes): string[] {
  const seconds = (milliseconds: number): string => (milliseconds / MS_PER_S).toFixed(1)
  return [
    '',
    row(`${guest}: seconds for ${tests} tests`, ['all of them']),
    row('a boot for each', [seconds(booted)]),
    row('one boot, and a restore for each', [
      seconds(restored),
      '',
      `${rateOf(booted / restored, undefined)} x`,
    ]),
  ]
}

/** The medians of the rounds, for each part of the CPU time. */
function sharesOf(
  rounds: readonly { readonly cpu: CpuTime }[],
  unit: number,
  digits: number,
): string {
  return takers
    .map((taker) => median(rounds.map(({ cpu }) => cpu[taker] / unit)).toFixed(digits))
    .join(' + ')
}

function rangeOf(seconds: readonly number[]): string {
  return `${Math.min(...seconds).toFixed(2)} to ${Math.max(...seconds).toFixed(2)}`
}

function row(name: string, columns: readonly string[]): string {
  const texts = columns.map((text, i) => text.padStart(WIDTHS[i] ?? 0))
  return `${name.padEnd(50)}${texts.join('')}`.trimEnd()
}

const WIDTHS = [14, 18, 16, 24]
