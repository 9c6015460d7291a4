import type { FirstCommand } from './first-command.ts'
import type { RoundTripTimes } from './round-trips.ts'

/** The measurements of one guest, by round. */
export interface GuestTimes {
  readonly name: string
  /** From the call of boot(). */
  readonly boots: readonly FirstCommand[]
  /** From the call of Machine.restore(), from a snapshot of the machine that was booted in the same round. */
  readonly restores: readonly FirstCommand[]
  /** How long it took to save that machine, in milliseconds. */
  readonly saves: readonly number[]
  /** By the name of the kind. */
  readonly roundTrips: Readonly<Record<string, readonly RoundTripTimes[]>>
}

/** How long so many tests take that each have a machine of their own, in milliseconds. */
export interface SuiteTimes {
  readonly guest: string
  readonly tests: number
  /** Each boots its machine. */
  readonly booted: number
  /** One boot and one snapshot, from which each test is restored. */
  readonly restored: number
}

/** All results of the driver bench. */
export interface DriverResults {
  /** One line each: the machine, the versions, what was measured. */
  readonly notes: readonly string[]
  readonly guests: readonly GuestTimes[]
  readonly suite: SuiteTimes | undefined
}
