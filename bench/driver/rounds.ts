import { Machine } from '../../src/driver/machine.ts'
import type { MachineSnapshot } from '../../src/driver/machine-snapshot.ts'
import { type FirstCommand, timeFirstCommand } from './first-command.ts'
import type { DriverGuest } from './guests.ts'
import type { GuestTimes } from './results.ts'
import { type RoundTrip, type RoundTripTimes, timeRoundTrips } from './round-trips.ts'

/** What to measure in each round, in addition to a boot. */
export interface RoundOptions {
  readonly rounds: number
  readonly restores: boolean
  readonly roundTrips: readonly RoundTrip[]
  /** How many commands of each kind. */
  readonly commands: number
  /** Gets the progress. */
  readonly step: (text: string) => void
}

/** The measurements of a guest, to which each round adds. */
interface OpenTimes extends GuestTimes {
  readonly boots: FirstCommand[]
  readonly restores: FirstCommand[]
  readonly saves: number[]
  readonly roundTrips: Record<string, RoundTripTimes[]>
}

/** Measures the guests in turns, so that other load on the machine affects all of them. */
export async function measureRounds(
  guests: readonly DriverGuest[],
  options: RoundOptions,
): Promise<GuestTimes[]> {
  const measured = guests.map((guest) => {
    const times: OpenTimes = {
      name: guest.name,
      boots: [],
      restores: [],
      saves: [],
      roundTrips: {},
    }
    return { guest, times }
  })
  for (let round = 1; round <= options.rounds; round++) {
    for (const { guest, times } of measured) {
      const step = (what: string): void =>
        options.step(`round ${round} of ${options.rounds}, ${guest.name}: ${what}`)
      await measureRound(guest, times, { ...options, step })
    }
  }
  return measured.map(({ times }) => times)
}

async function measureRound(
  guest: DriverGuest,
  times: OpenTimes,
  options: RoundOptions,
): Promise<void> {
  await using snapshot = await measureBooted(guest, times, options)
  if (snapshot === undefined) return
  options.step('restore')
  const { machine, first } = await timeFirstCommand(guest, () => Machine.restore(snapshot))
  await using _ = machine
  times.restores.push(first)
}

/** Measures a machine that is booted, and ends it: QEMU holds a lock on the pid file, which the next machine needs. */
async function measureBooted(
  guest: DriverGuest,
  times: OpenTimes,
  { restores, roundTrips, commands, step }: RoundOptions,
): Promise<MachineSnapshot | undefined> {
  step('boot')
  const { machine, first } = await timeFirstCommand(guest, () => guest.boot())
  await using vm = machine
  times.boots.push(first)
  await guest.rest(vm)
  for (const roundTrip of roundTrips) {
    step(roundTrip.name)
    const found = await timeRoundTrips(vm, guest.pid(), roundTrip, commands)
    ;(times.roundTrips[roundTrip.name] ??= []).push(found)
  }
  if (!restores) return undefined
  step('save')
  const began = performance.now()
  const snapshot = await vm.snapshot()
  times.saves.push(performance.now() - began)
  return snapshot
}
