import { writeFileSync } from 'node:fs'
import { guestName } from './figures.ts'
import { plotGuest } from './plot.ts'
import { legend, reportFailures, reportTables } from './guest-report.ts'
import type { GuestKind, GuestResults } from './results.ts'
import { tableMarkdown } from './table.ts'

const DOCUMENT = 'docs/performance-guest.md'

/** The file name of a guest's plot, which is in the folder of the document. */
function plotName({ cpus }: GuestKind): string {
  return cpus === 1 ? 'performance.svg' : `performance-${cpus}-cpus.svg`
}

/** Writes the results to {@link DOCUMENT}, with a plot for each guest. */
export function writeDocument(results: GuestResults): void {
  const guests = plottedGuests(results)
  for (const guest of guests) writeFileSync(`docs/${plotName(guest)}`, plotGuest(results, guest))
  writeFileSync(DOCUMENT, performanceDocument(results, guests))
}

/** The guests with the first QEMU and kernel, in which everything was measured. */
function plottedGuests({ cells }: GuestResults): GuestKind[] {
  const { qemu = '', kernel = '' } = cells[0]?.guest ?? {}
  const own = cells
    .map(({ guest }) => guest)
    .filter((guest) => guest.qemu === qemu && guest.kernel === kernel)
  return [...new Set(own.map(({ cpus }) => cpus))].map((cpus) => ({ qemu, kernel, cpus }))
}

function performanceDocument(results: GuestResults, guests: readonly GuestKind[]): string {
  const { notes, peers } = results
  const plots = guests.map((guest) => `![ratios, ${guestName(guest)}](${plotName(guest)})`)
  const failures = reportFailures(results)
  const sections = [
    '# Performance in a guest',
    `These tables compare lowerdir with other file servers, as a guest sees them. \`npm run bench -- guest --write\` measures
them and writes this file; it fetches everything that it needs, so you can repeat it. One guest has a device of each
server. All servers serve the same folder, and each workload runs over each of them in turn.`,
    plots.join('\n'),
    list(notes),
    list(peers.map(({ name, what }) => `**${name}**: ${what}`)),
    ...legend(results),
    ...(failures.length > 0 ? [list(failures)] : []),
    ...reportTables(results).map(tableMarkdown),
  ]
  return `${sections.join('\n\n')}\n`
}

function list(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join('\n')
}
