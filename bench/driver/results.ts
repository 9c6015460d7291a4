import type { FirstCommand } from './first-command.ts'
import type { RoundTripTimes } from './round-trips.ts'

/** What was measured with one guest, round by round. */
export interface GuestTimes {
  readonly name: string
  /** From the call of boot() on. */
  readonly boots: readonly FirstCommand[]
  /** By the name of the kind. */
  readonly roundTrips: Readonly<Record<string, readonly RoundTripTimes[]>>
}

/** Everything that the driver's benchmark has found. */
export interface DriverResults {
  /** One line each: the machine, the versions, what was measured. */
  readonly notes: readonly string[]
  readonly guests: readonly GuestTimes[]
}
