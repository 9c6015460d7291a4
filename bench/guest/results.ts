import type { CacheMode, Peer } from './peer.ts'
import type { Profile } from './profile.ts'
import type { Counts } from './requests.ts'
import type { Duration } from './script.ts'
import type { SystemCallTimes } from './system-calls.ts'
import type { WorkloadGroup } from './workload.ts'

/**
 * The condition of a run: its cache mode, or the second run in a row with that mode. `both` is not a run: it has the sums of
 * both runs over a lower layer.
 */
export type Condition = CacheMode | 'cached' | 'lower again' | 'both'

/** One measurement of one peer; durations are by the guest's clock. */
export interface Sample extends Duration {
  /** CPU time of QEMU for the guest's instructions, in nanoseconds. */
  readonly guestCpu: number
  /** CPU time of the peer's own process, in nanoseconds; undefined where QEMU is the server. */
  readonly serverCpu: number | undefined
  /** CPU time of QEMU for everything except the guest's instructions, in nanoseconds. */
  readonly qemuCpu: number
}

/** The guest in which something was measured. */
export interface GuestKind {
  /** The version of its QEMU, and the first two numbers of its Linux. */
  readonly qemu: string
  readonly kernel: string
  readonly cpus: number
}

/** All measurements of one workload under one condition. */
export interface Cell {
  readonly workload: string
  readonly group: WorkloadGroup
  readonly condition: Condition
  readonly guest: GuestKind
  /** The seconds that the same commands take on the host. */
  readonly host: readonly number[]
  /** By the peer's name and the round; undefined for a round in which the peer was left out. */
  readonly samples: Readonly<Record<string, readonly (Sample | undefined)[]>>
  /** The requests of a peer's client, by the peer's name, where they were counted. */
  readonly requests: Readonly<Record<string, Counts>>
  /** Why a peer has no numbers. */
  readonly failures: Readonly<Record<string, string>>
}

/** The resident memory of a server's process at the end of the bench, in bytes. */
export interface Memory {
  readonly peer: string
  readonly guest: GuestKind
  readonly bytes: number
}

/** A peer that was measured. */
export interface DescribedPeer extends Pick<Peer, 'name' | 'protocol'> {
  readonly what: string
}

/** All results of the guest bench. */
export interface GuestResults {
  /** One line each: the machine, the versions, what was measured. */
  readonly notes: readonly string[]
  /** The peers with their descriptions, lowerdir first. */
  readonly peers: readonly DescribedPeer[]
  readonly cells: readonly Cell[]
  readonly memory: readonly Memory[]
  readonly systemCalls: SystemCallTimes
  /** The profile of lowerdir's server in find, with cache=none. */
  readonly profile: Profile | undefined
}
