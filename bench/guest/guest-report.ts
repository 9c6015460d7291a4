import { median } from '../statistics.ts'
import {
  cellsByGuest,
  cellsByTable,
  cpuOf,
  guestName,
  ratiosOf,
  requestsOf,
  secondsBy,
  serverCpuOf,
  sumsOfLower,
  tableTitle,
} from './figures.ts'
import { SERVER_CPU_GOAL, goalOf } from './goals.ts'
import { missedTable } from './missed.ts'
import { profileTable } from './profile-table.ts'
import { total } from './requests.ts'
import type { Cell, Condition, DescribedPeer, GuestResults } from './results.ts'
import { floorOf } from './system-calls.ts'
import { type Table, tableText } from './table.ts'
import { MISSED, rateOf, timeOf } from '../text.ts'

/** With fewer requests, CPU time in steps of 10 ms says nothing. */
const REQUESTS_MIN = 100

/** How to read the tables, in paragraphs. */
export function legend({ peers }: GuestResults): string[] {
  const ours = peers[0]?.name ?? ''
  return [
    `Seconds are medians. "host" is the time of the same commands on the host, without guest and server. "floor" is ` +
      `the time of the system calls that lowerdir makes for the requests of a 9P client, in a loop in C (each read and ` +
      `write as one of 4 KiB).`,
    `A ratio is the time of another server divided by that of ${ours}, the median over the rounds. Where a ratio ` +
      `misses its goal, ${MISSED} and the goal stand behind it.`,
    `CPU time has three parts: the guest's own instructions + the server's process + the rest of QEMU. ` +
      `QEMU's own server has no process, so its work is in the third part. No server can save the first part. ` +
      `The difference between CPU time and seconds is waiting: until a CPU wakes up or becomes free.`,
    `The guest's kernel counted the requests, in a run of its own. All 9P servers have the same client, over virtio and ` +
      `over tcp. The FUSE client sends other requests, and far fewer where it may cache names and attributes.`,
  ]
}

/** All results as tables. */
export function reportTables(results: GuestResults): Table[] {
  const { peers, cells, memory, profile } = results
  const found = cellsByTable([...cells, ...sumsOfLower(cells)]).flatMap((group): Table[] => {
    const title = group[0] === undefined ? '' : tableTitle(group[0])
    return [
      secondsTable(`${title}: seconds`, group, results),
      {
        title: `${title}: milliseconds of CPU time`,
        heading: ['', ...peers.map(({ name }) => name)],
        rows: group.map((cell) => [cell.workload, ...peers.map(({ name }) => cpuText(cell, name))]),
      },
      requestsTable(title, group, peers),
    ]
  })
  const servers = serverTable(results)
  const resident: Table = {
    title: 'Memory of the servers at the end, without the memory that they share with the guest',
    heading: ['', 'MiB'],
    rows: memory.map(({ peer, guest, bytes }) => [
      `${peer}; ${guestName(guest)}`,
      (bytes / 2 ** 20).toFixed(0),
    ]),
  }
  const missed = missedTable(results)
  const profiled = profile === undefined ? undefined : profileTable(profile)
  return [...found, servers, missed, profiled, resident].filter((table) => table !== undefined)
}

function secondsTable(
  title: string,
  group: readonly Cell[],
  { peers, systemCalls }: GuestResults,
): Table {
  const [ours, ...others] = peers
  const rows = group.map((cell) => {
    const compared = others.flatMap(({ name }) => [
      seconds(secondsBy(cell, name)),
      ratioText(cell, name, ours?.name ?? ''),
    ])
    const ninep = peers.find(({ protocol }) => protocol === '9p')
    const requests = ninep && requestsOf(cell, ninep, peers)
    const floor = requests === undefined ? [] : [floorOf(requests, systemCalls)]
    return [
      cell.workload,
      seconds(secondsBy(cell, ours?.name ?? '')),
      ...compared,
      seconds(cell.host),
      seconds(floor),
    ]
  })
  const names = others.flatMap(({ name }) => [name, 'ratio'])
  return { title, heading: ['', ours?.name ?? '', ...names, 'host', 'floor'], rows }
}

/** The CPU time of the servers' processes in a round, and lowerdir's share of virtiofsd's. */
function serverTable({ peers, cells }: GuestResults): Table {
  const ours = peers[0]?.name ?? ''
  const theirs = 'virtiofsd'
  return {
    title: 'Milliseconds of CPU time of the servers in a round of all workloads',
    about: [
      `The goal is at most ${SERVER_CPU_GOAL} of ${theirs}'s. A round of a lower layer is both runs of its workloads.`,
    ],
    heading: ['', ours, theirs, 'share'],
    rows: cellsByGuest(cells).flatMap((own) =>
      Object.entries(roundsOf).map(([name, conditions]) => {
        const group = own.filter(({ condition }) => conditions.includes(condition))
        const [mine, others] = [ours, theirs].map((peer) => serverCpuOf(group, peer)) as [
          number,
          number,
        ]
        return [
          `${guestName(own[0]!.guest)}, ${name}`,
          (mine / 1e6).toFixed(0),
          (others / 1e6).toFixed(0),
          timeOf(mine / others, SERVER_CPU_GOAL, 2),
        ]
      }),
    ),
  }
}

/** The conditions that make a round. */
const roundsOf: Readonly<Record<string, readonly Condition[]>> = {
  'cache=none': ['none'],
  'cache=loose': ['loose', 'cached'],
  'lower layer': ['lower', 'lower again'],
}

/** The number of requests, and the CPU time of the host for each. */
function requestsTable(
  title: string,
  group: readonly Cell[],
  peers: readonly DescribedPeer[],
): Table {
  const protocols = [...new Set(peers.map(({ protocol }) => protocol))]
  return {
    title: `${title}: requests, and milliseconds of CPU time for 1,000 of them: the server + the rest of QEMU`,
    heading: ['', ...protocols.map((name) => name.toUpperCase()), ...peers.map(({ name }) => name)],
    rows: group.map((cell) => [
      cell.workload,
      ...protocols.map((protocol) => {
        const peer = peers.find((each) => each.protocol === protocol)
        const requests = peer && requestsOf(cell, peer, peers)
        return requests === undefined ? '-' : `${total(requests)}`
      }),
      ...peers.map((peer) => timePerRequest(cell, peer, peers)),
    ]),
  }
}

function timePerRequest(cell: Cell, peer: DescribedPeer, peers: readonly DescribedPeer[]): string {
  const requests = requestsOf(cell, peer, peers)
  const count = requests === undefined ? 0 : total(requests)
  if (count < REQUESTS_MIN) return '-'
  return cpuTexts(cell, peer.name, ['serverCpu', 'qemuCpu'], 1000 / count)
}

/** The measurements that failed, and why. */
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

function ratioText(cell: Cell, peer: string, ours: string): string {
  return rateOf(median(ratiosOf(cell, peer, ours)), goalOf(peer, cell.group, cell.condition))
}

function seconds(values: readonly number[]): string {
  return values.length === 0 ? '-' : median(values).toFixed(3)
}

function cpuText(cell: Cell, peer: string): string {
  return cpuTexts(cell, peer, ['guestCpu', 'serverCpu', 'qemuCpu'], 1)
}

/** The medians in milliseconds, multiplied by `factor`. */
function cpuTexts(
  cell: Cell,
  peer: string,
  whose: readonly Parameters<typeof cpuOf>[2][],
  factor: number,
): string {
  const measured = whose.map((each) => cpuOf(cell, peer, each))
  if (measured.every(({ length }) => length === 0)) return '-'
  return measured
    .map((values) => (values.length === 0 ? '-' : ((median(values) / 1e6) * factor).toFixed(0)))
    .join(' + ')
}
