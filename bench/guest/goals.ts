import type { Condition } from './results.ts'
import type { WorkloadGroup } from './workload.ts'

/** The goals against one peer. */
interface Goals {
  /** Metadata and reading, of a lower layer; of all such workloads, both passes together; of a share with cache=none. */
  readonly lower: number
  readonly both: number
  readonly none: number
  /** Everything else, in every cache mode. */
  readonly change: number
}

/** How many times as long as lowerdir a peer has to take at least. Peers without a row have no goal. */
const goals: Readonly<Record<string, Goals>> = {
  virtiofsd: { lower: 1.1, both: 2, none: 1.1, change: 1.05 },
  'QEMU 9p': { lower: 1.5, both: 3.5, none: 1.3, change: 1.05 },
}

/** The goal for a server's CPU time in a round: this share of virtiofsd's at most. */
export const SERVER_CPU_GOAL = 0.8

/** The goal for a workload against a peer; undefined where there is none. */
export function goalOf(
  peer: string,
  group: WorkloadGroup,
  condition: Condition,
): number | undefined {
  const own = goals[peer]
  if (condition === 'both') return own?.both
  if (condition === 'lower' || condition === 'lower again') return own?.lower
  if (group === 'change' || group === 'build') return own?.change
  return condition === 'none' ? own?.none : undefined
}
