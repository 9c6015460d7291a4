import { median } from '../statistics.ts'
import { conditionNames, ratiosOf, serverCpuOf, qemuCpuOf, secondsBy } from './figures.ts'
import { goalOf } from './goals.ts'
import type { Cell, GuestResults } from './results.ts'

/** How a ratio that misses its goal is marked. */
const MISSED = '!'

/** The results as text: a table for each number of processors and each condition. */
export function reportGuest(results: GuestResults): string {
  const { notes, peers, cells, memory } = results
  const [ours, ...others] = peers.map(({ name }) => name)
  if (ours === undefined) return ''
  const lines = [...notes, ...peers.map(({ name, what }) => `${name}: ${what}`)]
  lines.push(`ratios are how many times as long as ${ours} each takes; ${MISSED} misses its goal`)
  for (const table of tables(cells)) {
    lines.push('', `${heading(table)}: seconds`)
    lines.push(row('', [ours, ...others.flatMap((name) => [name, 'ratio']), 'host']))
    for (const cell of table) lines.push(secondsLine(cell, ours, others))
    lines.push(
      '',
      `${heading(table)}: milliseconds of processor time, server + QEMU beside the guest`,
    )
    lines.push(row('', [ours, ...others]))
    for (const cell of table) {
      lines.push(
        row(
          cell.workload,
          [ours, ...others].map((name) => cpu(cell, name)),
        ),
      )
    }
  }
  lines.push('', 'MiB of memory of the servers at the end')
  for (const { peer, cpus, bytes } of memory) {
    lines.push(row(`${peer} (${cpus} CPU)`, [(bytes / 2 ** 20).toFixed(0)]))
  }
  const failed = cells.flatMap(({ failures }) => Object.keys(failures))
  if (failed.length > 0) lines.push('', `failed, see above: ${[...new Set(failed)].join(', ')}`)
  return lines.join('\n')
}

/** The cells that belong into one table, in their order. */
export function tables(cells: readonly Cell[]): Cell[][] {
  const found = new Map<string, Cell[]>()
  for (const cell of cells) {
    const key = `${cell.cpus} ${cell.condition}`
    found.set(key, [...(found.get(key) ?? []), cell])
  }
  return [...found.values()]
}

/** What a table is about. */
export function heading([cell]: readonly Cell[]): string {
  if (cell === undefined) return ''
  const { cpus, condition } = cell
  return `${cpus} virtual CPU${cpus > 1 ? 's' : ''}, ${conditionNames[condition]}`
}

function secondsLine(cell: Cell, ours: string, others: readonly string[]): string {
  const compared = others.flatMap((name) => {
    const ratios = ratiosOf(cell, name, ours)
    const ratio = median(ratios)
    if (ratios.length === 0) return [seconds(secondsBy(cell, name)), '-']
    const goal = goalOf(name, cell.group, cell.condition)
    const mark = goal !== undefined && ratio < goal ? MISSED : ''
    return [seconds(secondsBy(cell, name)), `${mark}${ratio.toFixed(2)}`]
  })
  const host = seconds(cell.host)
  return row(cell.workload, [seconds(secondsBy(cell, ours)), ...compared, host])
}

function seconds(values: readonly number[]): string {
  return values.length === 0 ? '-' : median(values).toFixed(3)
}

function cpu(cell: Cell, peer: string): string {
  const [server, qemu] = [serverCpuOf(cell, peer), qemuCpuOf(cell, peer)].map((values) =>
    values.length === 0 ? '-' : (median(values) / 1e6).toFixed(0),
  )
  return `${server} + ${qemu}`
}

function row(name: string, columns: readonly string[]): string {
  return `${name.padEnd(24)}${columns.map((text) => ` ${text.padStart(13)}`).join('')}`.trimEnd()
}
