import { median } from '../statistics.ts'
import { cpuOf, ratiosOf, secondsBy } from './figures.ts'
import { goalOf } from './goals.ts'
import type { Cell, GuestResults } from './results.ts'
import { tableTitle, tables } from './tables.ts'

/** One table: texts that are all there is in it, for a terminal or a document. */
export interface Table {
  readonly title: string
  readonly heading: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** How a ratio that misses its goal is marked. */
const MISSED = '!'

/** What a reader of the tables has to know. */
export function legend({ peers }: GuestResults): string[] {
  const ours = peers[0]?.name ?? ''
  return [
    `Seconds are medians; "host" is what the same commands take on the host, without guest and server.`,
    `Ratios are how many times as long as ${ours} another takes, the median of the rounds' own ratios; ` +
      `with ${MISSED} where that misses its goal, which stands behind it.`,
    `Processor time is that of the guest's own instructions + the server's process + what QEMU takes beside ` +
      `them: its own server has no process, and all of its work is in the third number. No server can save ` +
      `the first; what is missing to the seconds is waiting, for a processor to be woken or to be free.`,
  ]
}

/** Everything that was found, as tables. */
export function reportTables({ peers, cells, memory }: GuestResults): Table[] {
  const [ours = '', ...others] = peers.map(({ name }) => name)
  const found = tables(cells).flatMap((group): Table[] => {
    const title = group[0] === undefined ? '' : tableTitle(group[0])
    const compared = others.flatMap((name) => [name, 'ratio'])
    return [
      {
        title: `${title}: seconds`,
        heading: ['', ours, ...compared, 'host'],
        rows: group.map((cell) => secondsRow(cell, ours, others)),
      },
      {
        title: `${title}: milliseconds of processor time`,
        heading: ['', ours, ...others],
        rows: group.map((cell) => [
          cell.workload,
          ...[ours, ...others].map((name) => processorTime(cell, name)),
        ]),
      },
    ]
  })
  const resident: Table = {
    title: 'Memory of the servers at the end, without what they share with the guest',
    heading: ['', 'virtual CPUs', 'MiB'],
    rows: memory.map(({ peer, cpus, bytes }) => [peer, `${cpus}`, (bytes / 2 ** 20).toFixed(0)]),
  }
  return [...found, resident]
}

/** What could not be measured, and why. */
export function reportFailures({ cells }: GuestResults): string[] {
  return cells.flatMap((cell) =>
    Object.entries(cell.failures).map(
      ([peer, why]) => `${peer} failed at ${cell.workload} (${tableTitle(cell)}): ${why}`,
    ),
  )
}

/** The results as text for a terminal. */
export function reportText(results: GuestResults): string {
  const { notes, peers } = results
  return [
    ...notes,
    ...peers.map(({ name, what }) => `${name}: ${what}`),
    ...legend(results),
    ...reportTables(results).map(tableText),
    ...reportFailures(results),
  ].join('\n')
}

function secondsRow(cell: Cell, ours: string, others: readonly string[]): string[] {
  const compared = others.flatMap((name) => [
    seconds(secondsBy(cell, name)),
    ratioText(cell, name, ours),
  ])
  return [cell.workload, seconds(secondsBy(cell, ours)), ...compared, seconds(cell.host)]
}

function ratioText(cell: Cell, peer: string, ours: string): string {
  const ratio = median(ratiosOf(cell, peer, ours))
  if (Number.isNaN(ratio)) return '-'
  const goal = goalOf(peer, cell.group, cell.condition)
  if (goal === undefined || ratio >= goal) return ratio.toFixed(2)
  return `${ratio.toFixed(2)} ${MISSED} ${goal.toFixed(1)}`
}

function seconds(values: readonly number[]): string {
  return values.length === 0 ? '-' : median(values).toFixed(3)
}

function processorTime(cell: Cell, peer: string): string {
  return (['guestCpu', 'serverCpu', 'qemuCpu'] as const)
    .map((whose) => cpuOf(cell, peer, whose))
    .map((values) => (values.length === 0 ? '-' : (median(values) / 1e6).toFixed(0)))
    .join(' + ')
}

function tableText({ title, heading, rows }: Table): string {
  return `\n${title}\n${[heading, ...rows].map(row).join('\n')}`
}

function row([name = '', ...columns]: readonly string[]): string {
  return `${name.padEnd(24)}${columns.map((text) => ` ${text.padStart(16)}`).join('')}`.trimEnd()
}
