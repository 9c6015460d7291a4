import { median } from '../statistics.ts'
import { conditionNames, guestName, ratiosOf } from './figures.ts'
import { goalOf } from './goals.ts'
import type { Cell, Condition, GuestKind, GuestResults } from './results.ts'

/** Pixels: the margin for names, the width of a panel with its gap, a row, a bar. */
const NAMES = 170
const PANEL = 250
const GAP = 44
const ROW = 34
const BAR = 11
const TOP = 64

/** The axis is logarithmic, so that half and twice as fast look alike. */
const LEAST = 0.25
const MOST = 8
const TICKS = [0.25, 0.5, 1, 2, 4, 8]

/** Colours that are distinguishable on white and on black, also with red-green colour blindness. */
const COLOURS = ['#3b82c4', '#d9772b']

/** Neither too light for white nor too dark for black. */
const INK = '#808080'

/**
 * The ratios of a guest as an SVG: a panel for each condition, a row for each workload, a bar for each peer
 * against which there is a goal, with a line at the goal.
 */
export function plotGuest({ peers, cells }: GuestResults, guest: GuestKind): string {
  const ours = peers[0]?.name ?? ''
  const shown = cells.filter((cell) => guestName(cell.guest) === guestName(guest))
  const rivals = peers
    .map(({ name }) => name)
    .filter((name) => shown.some((cell) => goalOf(name, cell.group, cell.condition) !== undefined))
  const rows = [...new Set(shown.map(({ workload }) => workload))]
  const panels = [...new Set(shown.map(({ condition }) => condition))]
  const height = TOP + rows.length * ROW + 30
  const width = NAMES + panels.length * (PANEL + GAP)

  const parts: string[] = [
    text(0, 16, `Time of others divided by the time of ${ours}; ${guestName(guest)}`, 'start', 14),
    ...rivals.map((name, i) => legend(i, name)),
    ...rows.map((name, i) => text(NAMES - 10, TOP + i * ROW + ROW / 2 + 4, name, 'end')),
  ]
  for (const [i, condition] of panels.entries()) {
    const left = NAMES + i * (PANEL + GAP)
    parts.push(frame(left, rows.length, condition))
    for (const cell of shown.filter((each) => each.condition === condition)) {
      const top = TOP + rows.indexOf(cell.workload) * ROW + (ROW - BAR * rivals.length) / 2
      parts.push(...rivals.map((name, j) => bar(cell, name, ours, left, top + j * BAR, j)))
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12" fill="${INK}">
${parts.filter(Boolean).join('\n')}
</svg>
`
}

function frame(left: number, rows: number, condition: Condition): string {
  const bottom = TOP + rows * ROW
  const ticks = TICKS.map((value) => {
    const x = left + position(value)
    // The line at which both are equally fast.
    const strong = value === 1 ? 1.5 : 0.4
    return line(x, TOP, x, bottom, INK, strong) + text(x, bottom + 16, `${value}×`, 'middle', 11)
  })
  return text(left, TOP - 10, conditionNames[condition], 'start', 13) + ticks.join('')
}

function bar(
  cell: Cell,
  peer: string,
  ours: string,
  left: number,
  top: number,
  index: number,
): string {
  const ratio = median(ratiosOf(cell, peer, ours))
  if (Number.isNaN(ratio)) return ''
  const [from = 0, to = 0] = [position(1), position(ratio)].toSorted((a, b) => a - b)
  const colour = COLOURS[index % COLOURS.length] ?? INK
  const goal = goalOf(peer, cell.group, cell.condition)
  const title = `${cell.workload}, ${peer}: ${ratio.toFixed(2)}`
  const box = `x="${round(left + from)}" y="${round(top)}" width="${round(Math.max(to - from, 1))}" height="${BAR - 2}"`
  const mark = goal === undefined ? undefined : left + position(goal)
  return (
    `<rect ${box} fill="${colour}"><title>${escape(title)}</title></rect>` +
    (mark === undefined ? '' : line(mark, top - 1, mark, top + BAR - 1, INK, 2))
  )
}

function legend(index: number, name: string): string {
  const x = NAMES + index * 140
  return `<rect x="${x}" y="26" width="12" height="12" fill="${COLOURS[index % COLOURS.length]}"/>${text(x + 18, 36, name, 'start')}`
}

/** Pixels from the left of a panel; ratios beyond the axis are at its end. */
function position(ratio: number): number {
  const within = Math.min(Math.max(ratio, LEAST), MOST)
  return (Math.log(within / LEAST) / Math.log(MOST / LEAST)) * PANEL
}

function line(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  colour: string,
  width: number,
): string {
  const ends = `x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"`
  return `<line ${ends} stroke="${colour}" stroke-width="${width}"/>`
}

function text(x: number, y: number, words: string, anchor: string, size = 12): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" font-size="${size}">${escape(words)}</text>`
}

function escape(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10
}
