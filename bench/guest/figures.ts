import { median, quotients } from '../statistics.ts'
import type { Peer } from './peer.ts'
import type { Counts } from './requests.ts'
import type { Cell, Condition, GuestKind, Sample } from './results.ts'

/** The conditions for people. */
export const conditionNames: Readonly<Record<Condition, string>> = {
  none: 'cache=none',
  loose: 'cache=loose, first run',
  cached: 'cache=loose, second run',
  lower: 'lower layer, first run',
  'lower again': 'lower layer, second run',
  both: 'lower layer, both runs',
}

/** The cells that belong in one table each: those of one guest and one condition. */
export function cellsByTable(cells: readonly Cell[]): Cell[][] {
  const found = new Map<string, Cell[]>()
  for (const cell of cells) {
    const title = tableTitle(cell)
    found.set(title, [...(found.get(title) ?? []), cell])
  }
  return [...found.values()]
}

/** A cell for each guest with the sums of all workloads over a lower layer, both runs of each, round by round. */
export function sumsOfLower(cells: readonly Cell[]): Cell[] {
  const lower = cells.filter(({ condition }) => condition.startsWith('lower'))
  return cellsByGuest(lower).map((group): Cell => {
    const { group: kind, guest, samples: each } = group[0] as Cell
    const names = Object.keys(each)
    const samples = names.map((name) => [name, sumByRound(group.map((cell) => cell.samples[name]))])
    return {
      workload: 'all of them',
      group: kind,
      condition: 'both',
      guest,
      host: [],
      samples: Object.fromEntries(samples) as Cell['samples'],
      requests: {},
      failures: {},
    }
  })
}

/** The cells of each guest. */
export function cellsByGuest(cells: readonly Cell[]): Cell[][] {
  const found = new Map<string, Cell[]>()
  for (const cell of cells) {
    const name = guestName(cell.guest)
    found.set(name, [...(found.get(name) ?? []), cell])
  }
  return [...found.values()]
}

/** The sums of a peer's samples in each round; undefined for a round that not all of them have. */
function sumByRound(all: readonly (Cell['samples'][string] | undefined)[]): (Sample | undefined)[] {
  const [first = []] = all
  return first.map((_, round) => {
    const own = all.map((samples) => samples?.[round])
    if (own.some((sample) => sample === undefined)) return undefined
    const sum = (of: (sample: Sample) => number | undefined): number =>
      own.reduce((total, sample) => total + ((sample && of(sample)) ?? 0), 0)
    const hasServer = own.every((sample) => sample?.serverCpu !== undefined)
    return {
      seconds: sum(({ seconds }) => seconds),
      elapsed: sum(({ elapsed }) => elapsed),
      guestCpu: sum(({ guestCpu }) => guestCpu),
      serverCpu: hasServer ? sum(({ serverCpu }) => serverCpu) : undefined,
      qemuCpu: sum(({ qemuCpu }) => qemuCpu),
    }
  })
}

/** The time of a server's process in a round of everything with one cache mode, in nanoseconds: its medians together. */
export function serverCpuOf(cells: readonly Cell[], peer: string): number {
  return cells.reduce((sum, cell) => sum + median(cpuOf(cell, peer, 'serverCpu')), 0)
}

/** The title of the table that has a cell. */
export function tableTitle({ guest, condition }: Cell): string {
  return `${guestName(guest)}, ${conditionNames[condition]}`
}

/** A guest for people: `QEMU 11.1, Linux 7.2, 2 virtual CPUs`. */
export function guestName({ qemu, kernel, cpus }: GuestKind): string {
  return `QEMU ${qemu}, Linux ${kernel}, ${cpus} virtual CPU${cpus > 1 ? 's' : ''}`
}

/** The time of a peer divided by ours, in each round in which both were measured. */
export function ratiosOf(cell: Cell, peer: string, ours: string): number[] {
  return quotients(byRound(cell, peer), byRound(cell, ours))
}

/** The seconds that a peer took, in each round in which it was measured. */
export function secondsBy(cell: Cell, peer: string): number[] {
  return present(cell, peer).map(({ seconds }) => seconds)
}

/** The requests of a peer's client. Where they were not counted, those of another peer of the same protocol, which has the same client. */
export function requestsOf(
  { requests }: Cell,
  { name, protocol }: Pick<Peer, 'name' | 'protocol'>,
  peers: readonly Pick<Peer, 'name' | 'protocol'>[],
): Counts | undefined {
  const counted = peers.find((peer) => peer.protocol === protocol && peer.name in requests)
  return requests[name] ?? (counted === undefined ? undefined : requests[counted.name])
}

/** Nanoseconds of CPU time in each round; none of the server where QEMU is the server. */
export function cpuOf(
  cell: Cell,
  peer: string,
  whose: `${'guest' | 'server' | 'qemu'}Cpu`,
): number[] {
  return present(cell, peer)
    .map((sample) => sample[whose])
    .filter((time) => time !== undefined)
}

function byRound({ samples }: Cell, peer: string): number[] {
  return (samples[peer] ?? []).map((sample) => sample?.seconds ?? Number.NaN)
}

function present({ samples }: Cell, peer: string): Sample[] {
  return (samples[peer] ?? []).filter((sample) => sample !== undefined)
}
