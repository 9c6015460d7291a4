import { median } from '../statistics.ts'
import { conditionNames, ratiosOf, requestsOf } from './figures.ts'
import { goalOf } from './goals.ts'
import { total } from './requests.ts'
import type { Cell, DescribedPeer, GuestResults, Sample } from './results.ts'
import type { Table } from './table.ts'
import { MISSED, rateOf } from '../text.ts'

/**
 * Where the time goes in workloads that miss a goal, one row for each workload and condition. Only with the first kernel
 * and one virtual CPU, where a guest that waits for a reply does nothing else.
 */
export function missedTable({ peers, cells }: GuestResults): Table | undefined {
  const [ours] = peers
  if (ours === undefined) return undefined
  const main = cells[0]?.guest
  const rivals = peers.filter(({ name }) =>
    cells.some(({ group, condition }) => goalOf(name, group, condition) !== undefined),
  )
  const row = (cell: Cell): string[] => [
    `${cell.workload}, ${conditionNames[cell.condition]}`,
    ...[ours, ...rivals].flatMap((peer) => [
      milliseconds(cell, peer.name, guestTime),
      milliseconds(cell, peer.name, timeOutside),
      requestCount(cell, peer, peers),
    ]),
    ...rivals.map((rival) => bestText(cell, rival.name, ours.name)),
  ]
  const rows = cells
    .filter(
      ({ guest }) => guest.cpus === 1 && guest.qemu === main?.qemu && guest.kernel === main.kernel,
    )
    .filter((cell) => rivals.some((rival) => hasMissed(cell, rival.name, ours.name)))
    .map(row)
  if (rows.length === 0) return undefined
  return {
    title: 'Where the time goes in workloads that miss a goal',
    about: [
      `"guest" has the milliseconds in which the guest's CPU works, and "waits" those in which it waits. The ` +
        `guest's work is its programs, kernel and client. A server can shorten it only by needing fewer requests. ` +
        `"At best" is the ratio if ${ours.name}, the rest of QEMU and the ways between them took no time at all. Where ` +
        `this misses the goal as well (${MISSED}), no server for this client reaches the goal on this machine. fio's ` +
        `seconds leave out its start and its CPU time does not, so only its requests are shown.`,
    ],
    heading: [
      '',
      ...[ours, ...rivals].flatMap(({ name }) => [`${name}: guest`, 'waits', 'requests']),
      ...rivals.map(({ name }) => `at best, ${name}`),
    ],
    rows,
  }
}

function hasMissed(cell: Cell, rival: string, ours: string): boolean {
  const goal = goalOf(rival, cell.group, cell.condition)
  return goal !== undefined && median(ratiosOf(cell, rival, ours)) < goal
}

/** Whether only a part of the elapsed time counts, so that CPU times do not belong to the seconds. */
function isPart({ seconds, elapsed }: Sample): boolean {
  return seconds < elapsed
}

/** How long the guest's only CPU was idle because it waited for a reply, in seconds. */
function timeOutside({ elapsed, guestCpu }: Sample): number {
  return Math.max(0, elapsed - guestCpu / 1e9)
}

function guestTime(sample: Sample): number {
  return sample.elapsed - timeOutside(sample)
}

/** The ratio of a rival's time to ours, if our replies had taken no time. */
function bestText(cell: Cell, rival: string, ours: string): string {
  const theirs = cell.samples[rival] ?? []
  const ratios = theirs.flatMap((sample, round) => {
    const own = cell.samples[ours]?.[round]
    return sample === undefined || own === undefined || isPart(own)
      ? []
      : [sample.seconds / guestTime(own)]
  })
  return rateOf(median(ratios), goalOf(rival, cell.group, cell.condition))
}

function milliseconds(cell: Cell, peer: string, of: (sample: Sample) => number): string {
  const times = (cell.samples[peer] ?? []).flatMap((sample) =>
    sample === undefined || isPart(sample) ? [] : [of(sample)],
  )
  return times.length === 0 ? '-' : (median(times) * 1000).toFixed(0)
}

function requestCount(cell: Cell, peer: DescribedPeer, peers: readonly DescribedPeer[]): string {
  const requests = requestsOf(cell, peer, peers)
  return requests === undefined ? '-' : `${total(requests)}`
}
