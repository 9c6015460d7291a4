import { quotients } from '../statistics.ts'
import type { Peer } from './peer.ts'
import type { Counts } from './requests.ts'
import type { Cell, Condition, Sample } from './results.ts'

/** What a person calls the conditions. */
export const conditionNames: Readonly<Record<Condition, string>> = {
  none: 'cache=none',
  loose: 'cache=loose, first run',
  cached: 'cache=loose, second run',
}

/** How many times as long as we a peer took, in each round that both were measured in. */
export function ratiosOf(cell: Cell, peer: string, ours: string): number[] {
  return quotients(byRound(cell, peer), byRound(cell, ours))
}

/** The seconds that a peer took, in each round that it was measured in. */
export function secondsBy(cell: Cell, peer: string): number[] {
  return present(cell, peer).map(({ seconds }) => seconds)
}

/** What a peer's client asked for. Where nobody has counted, another's of the same protocol will do: it is the same client. */
export function requestsOf(
  { requests }: Cell,
  { name, protocol }: Pick<Peer, 'name' | 'protocol'>,
  peers: readonly Pick<Peer, 'name' | 'protocol'>[],
): Counts | undefined {
  const counted = peers.find((peer) => peer.protocol === protocol && peer.name in requests)
  return requests[name] ?? (counted === undefined ? undefined : requests[counted.name])
}

/** Nanoseconds of processor time, in each round: none of the server's where that is QEMU. */
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
