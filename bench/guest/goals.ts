import type { Condition } from './results.ts'
import type { WorkloadGroup } from './workload.ts'

type Goals = Readonly<Partial<Record<WorkloadGroup | 'cached', number>>>

/** The goals: how many times as long as lowerdir a peer has to take at least. Peers without a row have no goal. */
const goals: Readonly<Record<string, Goals>> = {
  'QEMU 9p': { metadata: 2, read: 1.4, change: 1.2, cached: 1.2 },
  virtiofsd: { metadata: 2.5, read: 1.7, change: 1.1, cached: 1 },
}

/**
 * The goal for a workload against a peer; undefined where there is none. The first run with cache=loose
 * has a goal only for workloads that change files or read them in pieces.
 */
export function goalOf(
  peer: string,
  group: WorkloadGroup,
  condition: Condition,
): number | undefined {
  if (condition === 'cached') return goals[peer]?.cached
  if (condition === 'loose' && group !== 'change') return undefined
  return goals[peer]?.[group]
}
