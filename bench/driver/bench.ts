import { loadavg } from 'node:os'
import { ProgressLine, showFetch } from '../../src/cli/progress.ts'
import { chooseAccelerator } from '../../src/machine/accelerator.ts'
import { provision } from '../../src/provision/inventory.ts'
import { describeMachine } from '../machine.ts'
import { type FirstCommand, timeFirstCommand } from './first-command.ts'
import { MEMORY_MIB, driverGuests } from './guests.ts'
import type { DriverResults, GuestTimes } from './results.ts'
import { type RoundTripTimes, roundTrips, timeRoundTrips } from './round-trips.ts'

const ROUND_TRIP = 'round trip'

/** What the words of {@link benchDriver} may be parts of. */
export const driverWorkloads: readonly string[] = ['boot', ROUND_TRIP]

/** How the test driver is measured. */
export interface DriverBenchOptions {
  /** How often everything is measured. */
  readonly rounds: number
  /** Fewer commands in each. */
  readonly quick: boolean
  /** Only what has one of them in its name; all, without one. Machines boot in any case. */
  readonly words: readonly string[]
  /** An empty folder, removed by the caller. */
  readonly scratch: string
}

/** Guests that grow from round to round. */
interface OpenGuest extends GuestTimes {
  readonly boots: FirstCommand[]
  readonly roundTrips: Record<string, RoundTripTimes[]>
}

/**
 * Measures what a test waits for: machines that boot, and commands in them. The guests take turns, so that what else
 * the machine is busy with meets all of them.
 */
export async function benchDriver({
  rounds,
  quick,
  words,
  scratch,
}: DriverBenchOptions): Promise<DriverResults> {
  const progress = new ProgressLine()
  const [load = 0] = loadavg()
  const count = quick ? 20 : 100
  const wanted =
    words.length === 0 || words.some((word) => ROUND_TRIP.includes(word)) ? roundTrips : []
  const { qemu, kernel } = await provision({ onProgress: showFetch(progress) })
  const guests = await driverGuests(scratch, (line) => progress.say(line))
  const measured = guests.map((guest) => {
    const times: OpenGuest = { name: guest.name, boots: [], roundTrips: {} }
    return { guest, times }
  })

  for (let round = 0; round < rounds; round++) {
    for (const { guest, times } of measured) {
      const step = (what: string): void =>
        progress.step(`round ${round + 1} of ${rounds}, ${guest.name}: ${what}`)
      step('boot')
      const { machine, first } = await timeFirstCommand(guest, () => guest.boot())
      await using vm = machine
      times.boots.push(first)
      for (const roundTrip of wanted) {
        step(roundTrip.name)
        const found = await timeRoundTrips(vm, guest.pid(), roundTrip, count)
        ;(times.roundTrips[roundTrip.name] ??= []).push(found)
      }
    }
  }
  progress.clear()
  const { accelerator } = chooseAccelerator('auto')
  return {
    notes: [
      describeMachine(),
      `QEMU ${qemu.found?.version.text} with ${accelerator.toUpperCase()}, ${MEMORY_MIB} MiB, 1 virtual CPU, ` +
        `Linux ${kernel.found?.release} in the guest, files over tcp`,
      `medians of ${rounds} rounds, each with a boot of its own; ${count} commands of each kind in each; ` +
        `load average ${load.toFixed(1)} at the beginning`,
    ],
    guests: measured.map(({ times }) => times),
  }
}
