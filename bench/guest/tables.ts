import { conditionNames } from './figures.ts'
import type { Cell } from './results.ts'

/** The cells that belong into one table each: one condition, one number of processors. */
export function tables(cells: readonly Cell[]): Cell[][] {
  const found = new Map<string, Cell[]>()
  for (const cell of cells) {
    const title = tableTitle(cell)
    found.set(title, [...(found.get(title) ?? []), cell])
  }
  return [...found.values()]
}

/** What the table of a cell is about. */
export function tableTitle({ cpus, condition }: Cell): string {
  return `${cpus} virtual CPU${cpus > 1 ? 's' : ''}, ${conditionNames[condition]}`
}
