import type { FirstCommand } from './first-command.ts'
import type { RoundTripTimes } from './round-trips.ts'

/** What was measured with one guest, round by round. */
export interface GuestTimes {
  readonly name: string
  /** From the call of boot() on. */
  readonly boots: readonly FirstCommand[]
  /** From the call of Machine.restore() on, with the machine that was booted in the same round. */
  readonly restores: readonly FirstCommand[]
  /** How long it took to save that machine, in milliseconds. */
  readonly saves: readonly number[]
  /** By the name of the kind. */
  readonly roundTrips: Readonly<Record<string, readonly RoundTripTimes[]>>
}

/** How long as many tests take that each have a machine of their own, in milliseconds. */
export interface SuiteTimes {
  readonly guest: string
  readonly tests: number
  /** Each boots its machine. */
  readonly booted: number
  /** One boot and one snapshot, with which each goes on. */
  readonly restored: number
}

/** Everything that the driver's benchmark has found. */
export interface DriverResults {
  /** One line each: the machine, the versions, what was measured. */
  readonly notes: readonly string[]
  readonly guests: readonly GuestTimes[]
  readonly suite: SuiteTimes | undefined
}
