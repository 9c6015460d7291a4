import { type Part, type Profile, parts } from './profile.ts'
import { total } from './requests.ts'
import type { GuestResults } from './results.ts'
import { floorOf } from './system-calls.ts'
import type { Table } from './table.ts'

/** The time of each part of lowerdir's server in find. */
export function profileTable(
  { times, requests }: Profile,
  { systemCalls }: Pick<GuestResults, 'systemCalls'>,
): Table {
  const count = total(requests)
  const all = Object.values(times).reduce((sum, time) => sum + time, 0)
  const row = (name: string, microseconds: number): string[] => [
    name,
    (microseconds / count).toFixed(1),
    `${Math.round((100 * microseconds) / all)} %`,
  ]
  return {
    title: "The parts of lowerdir's server in find, with cache=none and one virtual CPU",
    about: [
      `Microseconds for each of ${count} requests, from V8's profile of the serving process. Profiling takes time itself; ` +
        `sleep is left out. The last line is the floor of the tables above. It is a part of the calls of libc: the rest ` +
        `of these is the FFI, and filling the CPU's caches again after the last request.`,
    ],
    heading: ['', 'microseconds', 'share'],
    rows: [
      ...Object.entries(parts).map(([part, name]) => row(name, times[part as Part])),
      row('in the calls of libc: the system calls alone', floorOf(requests, systemCalls) * 1e6),
    ],
  }
}
