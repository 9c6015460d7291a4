import type { CacheMode, Peer } from './peer.ts'
import type { Profile } from './profile.ts'
import type { Counts } from './requests.ts'
import type { Duration } from './script.ts'
import type { SystemCallTimes } from './system-calls.ts'
import type { WorkloadGroup } from './workload.ts'

/** Under which circumstances a workload runs: `cached` is the second time in a row with cache=loose. */
export type Condition = CacheMode | 'cached'

/** What one measurement of one peer has found; durations are by the guest's clock. */
export interface Sample extends Duration {
  /** Processor time of QEMU for the guest's instructions, in nanoseconds. */
  readonly guestCpu: number
  /** Processor time of the peer's own process, in nanoseconds; undefined where that is QEMU. */
  readonly serverCpu: number | undefined
  /** Processor time of QEMU for anything but the guest's instructions, in nanoseconds. */
  readonly qemuCpu: number
}

/** Which guest something was measured in. */
export interface GuestKind {
  /** The first two numbers of its Linux. */
  readonly kernel: string
  readonly cpus: number
}

/** All measurements of one workload under the same circumstances. */
export interface Cell {
  readonly workload: string
  readonly group: WorkloadGroup
  readonly condition: Condition
  readonly guest: GuestKind
  /** The seconds that the same commands take on the host. */
  readonly host: readonly number[]
  /** By the peer's name and then the round; a round that a peer was left out of has none. */
  readonly samples: Readonly<Record<string, readonly (Sample | undefined)[]>>
  /** What a peer's client asked for, by the peer's name, where that was counted. */
  readonly requests: Readonly<Record<string, Counts>>
  /** Why a peer has no numbers. */
  readonly failures: Readonly<Record<string, string>>
}

/** What a server's process has in memory at the end of all, in bytes. */
export interface Memory {
  readonly peer: string
  readonly guest: GuestKind
  readonly bytes: number
}

/** Somebody who was measured. */
export interface DescribedPeer extends Pick<Peer, 'name' | 'protocol'> {
  readonly what: string
}

/** Everything that the guest benchmark has found. */
export interface GuestResults {
  /** One line each: the machine, the versions, what was measured. */
  readonly notes: readonly string[]
  /** The peers' names, ours first, with what they are. */
  readonly peers: readonly DescribedPeer[]
  readonly cells: readonly Cell[]
  readonly memory: readonly Memory[]
  readonly systemCalls: SystemCallTimes
  /** Where our server's time goes in find, with cache=none. */
  readonly profile: Profile | undefined
}
