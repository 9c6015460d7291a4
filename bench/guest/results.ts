import type { CacheMode } from './peer.ts'
import type { WorkloadGroup } from './workload.ts'

/** Under which circumstances a workload runs: `cached` is the second time in a row with cache=loose. */
export type Condition = CacheMode | 'cached'

/** What one measurement of one peer has found. */
export interface Sample {
  /** By the guest's clock. */
  readonly seconds: number
  /** Processor time of QEMU for the guest's instructions, in nanoseconds. */
  readonly guestCpu: number
  /** Processor time of the peer's own process, in nanoseconds; undefined where that is QEMU. */
  readonly serverCpu: number | undefined
  /** Processor time of QEMU for anything but the guest's instructions, in nanoseconds. */
  readonly qemuCpu: number
}

/** All measurements of one workload under the same circumstances. */
export interface Cell {
  readonly workload: string
  readonly group: WorkloadGroup
  readonly condition: Condition
  readonly cpus: number
  /** The seconds that the same commands take on the host. */
  readonly host: readonly number[]
  /** By the peer's name and then the round; a round that a peer was left out of has none. */
  readonly samples: Readonly<Record<string, readonly (Sample | undefined)[]>>
  /** Why a peer has no numbers. */
  readonly failures: Readonly<Record<string, string>>
}

/** What a server's process has in memory at the end of all, in bytes. */
export interface Memory {
  readonly peer: string
  readonly cpus: number
  readonly bytes: number
}

/** Everything that the guest benchmark has found. */
export interface GuestResults {
  /** One line each: the machine, the versions, what was measured. */
  readonly notes: readonly string[]
  /** The peers' names, ours first, with what they are. */
  readonly peers: readonly { readonly name: string; readonly what: string }[]
  readonly cells: readonly Cell[]
  readonly memory: readonly Memory[]
}
