import { Violation } from './promises.ts'
import { type Protocol, runSteps } from './run.ts'
import type { WorldSetup, WorldStep } from './trace.ts'

/** The rule that a run of these steps breaks; undefined if none. */
export function brokenBy<Setup extends WorldSetup, Step extends object, Model>(
  protocol: Protocol<Setup, Step, Model>,
  setup: Setup,
  steps: readonly (Step | WorldStep)[],
): Violation | undefined {
  let at = 0
  try {
    runSteps(protocol, setup, () => steps[at++])
  } catch (error) {
    if (error instanceof Violation) return error
    throw error
  }
  return undefined
}

/**
 * The fewest steps that still break `rule`: none of them can be left out (delta debugging by repeated
 * halving).
 */
export function minimise<Setup extends WorldSetup, Step extends object, Model>(
  protocol: Protocol<Setup, Step, Model>,
  setup: Setup,
  steps: readonly (Step | WorldStep)[],
  rule: string,
): readonly (Step | WorldStep)[] {
  let least = steps
  let size = Math.ceil(least.length / 2)
  while (size > 0) {
    let shorter = false
    for (let at = 0; at < least.length;) {
      const without = [...least.slice(0, at), ...least.slice(at + size)]
      if (brokenBy(protocol, setup, without)?.rule === rule) {
        least = without
        shorter = true
      } else {
        at += size
      }
    }
    if (size === 1 && !shorter) break
    size = Math.max(1, Math.floor(size / 2))
  }
  return least
}
