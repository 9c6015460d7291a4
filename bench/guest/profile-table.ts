import { type Part, type Profile, parts } from './profile.ts'
import { total } from './requests.ts'
import type { Table } from './table.ts'

/** The time of each part of lowerdir's server in find. */
export function profileTable({ times, requests }: Profile): Table {
  // A kernel without the tracepoint counts none: then the numbers are those of all requests.
  const count = Math.max(1, total(requests))
  const all = Object.values(times).reduce((sum, time) => sum + time, 0)
  const row = (name: string, microseconds: number): string[] => [
    name,
    (microseconds / count).toFixed(1),
    `${Math.round((100 * microseconds) / all)} %`,
  ]
  return {
    title: "The parts of lowerdir's server in find, with cache=none and one virtual CPU",
    about: [
      `Microseconds for each of ${count} requests (1: for all of them), from V8's profile of the serving process. Profiling takes time itself; ` +
        `sleep is left out.`,
    ],
    heading: ['', 'microseconds', 'share'],
    rows: Object.entries(parts).map(([part, name]) => row(name, times[part as Part])),
  }
}
