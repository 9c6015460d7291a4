import { conditionNames } from './figures.ts'
import type { Cell, GuestKind } from './results.ts'

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
export function tableTitle({ guest, condition }: Cell): string {
  return `${guestName(guest)}, ${conditionNames[condition]}`
}

/** What a person calls a guest. */
export function guestName({ kernel, cpus }: GuestKind): string {
  return `Linux ${kernel}, ${cpus} virtual CPU${cpus > 1 ? 's' : ''}`
}
