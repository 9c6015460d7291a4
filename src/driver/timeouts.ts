import type { Accelerator } from '../machine/accelerator.ts'

/** How long anything may take that was given no timeout of its own, in seconds. */
const DEFAULT_TIMEOUT = 900

/** An emulated guest takes longer for everything; a test that would pass must not fail for that. */
const STRETCH: Readonly<Record<Accelerator, number>> = { kvm: 1, tcg: 3 }

/** The default timeout of waits and commands on a machine, in seconds. */
export function defaultTimeout(accelerator: Accelerator, seconds = DEFAULT_TIMEOUT): number {
  return seconds * STRETCH[accelerator]
}
