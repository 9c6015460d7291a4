import { quotients } from '../statistics.ts'
import type { Peer } from './peer.ts'
import type { Counts } from './requests.ts'
import type { Cell, Condition, GuestKind, Sample } from './results.ts'

/** The conditions for people. */
export const conditionNames: Readonly<Record<Condition, string>> = {
  none: 'cache=none',
  loose: 'cache=loose, first run',
  cached: 'cache=loose, second run',
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

/** The title of the table that has a cell. */
export function tableTitle({ guest, condition }: Cell): string {
  return `${guestName(guest)}, ${conditionNames[condition]}`
}

/** A guest for people: `Linux 7.2, 2 virtual CPUs`. */
export function guestName({ kernel, cpus }: GuestKind): string {
  return `Linux ${kernel}, ${cpus} virtual CPU${cpus > 1 ? 's' : ''}`
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
