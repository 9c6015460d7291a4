import type { BootPhase } from '../machine/hooks.ts'
import type { MachineOptions, Nic } from '../machine/options.ts'
import type { TestReference } from '../record/event.ts'
import type { TestContext } from './owning-test.ts'

export { memoryMiB } from '../machine/plan.ts'
export type { MachineDisk, MachineShare, UpperDirectory, UpperDisk } from '../machine/options.ts'

/** A machine, as {@link boot} makes it. */
export interface BootOptions extends MachineOptions {
  /** Environment variables of all commands. */
  readonly env?: Readonly<Record<string, string>>
  /** Seconds until the guest must be ready. Default: 60, or 300 where it is emulated. */
  readonly timeout?: number
  /** Aborting it ends the machine, also later on. */
  readonly signal?: AbortSignal
  /** The folder for artifacts: records, screenshots, journals. Default: `$LOWERDIR_ARTIFACTS`, else no artifacts. */
  readonly artifacts?: string
  /**
   * The test that the machine belongs to. Given what the function of a test gets, of node:test's or Vitest's, the machine
   * ends with the test, however that ends; where the test has failed, the machine's journal and its screen are kept among
   * the artifacts first. A plain reference is for the report alone, which otherwise finds the test by the time.
   */
  readonly test?: TestContext | TestReference
  /** Whether the machine's files stay where they are. Default: false. */
  readonly keep?: boolean
  /** Hears how far the boot is. */
  readonly onPhase?: (phase: BootPhase) => void
}

/** What a network adds to a machine that is in it. */
export interface NetworkSeat {
  readonly nics: readonly Nic[]
  /** For busybox's shell in the guest's root, before its init. */
  readonly script: string
  /** Unplugs the machine's cables. */
  block(): void
  /** Plugs them in again. */
  unblock(): void
}
