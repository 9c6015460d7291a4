import { loadavg } from 'node:os'
import { ProgressLine, showFetch } from '../../src/cli/progress.ts'
import { chooseAccelerator } from '../../src/machine/accelerator.ts'
import { provision } from '../../src/provision/inventory.ts'
import { describeMachine } from '../machine.ts'
import { MEMORY_MIB, driverGuests } from './guests.ts'
import type { DriverResults } from './results.ts'
import { measureRounds } from './rounds.ts'
import { roundTrips } from './round-trips.ts'
import { timeSuite } from './suite.ts'

/** The names of the workloads, which `words` of {@link benchDriver} select. */
export const driverWorkloads = ['boot', 'restore', 'round trip', 'tests'] as const

/** How to measure the test driver. */
export interface DriverBenchOptions {
  /** How often everything except the tests is measured. */
  readonly rounds: number
  /** Fewer commands, and fewer tests. */
  readonly quick: boolean
  /** Only workloads whose name contains one of them; all if there are none. */
  readonly words: readonly string[]
  /** An empty folder, removed by the caller. */
  readonly scratch: string
}

/** Measures how long machines take to boot and to be restored from a snapshot, and commands to run in them. */
export async function benchDriver(options: DriverBenchOptions): Promise<DriverResults> {
  const { quick, words, scratch } = options
  const isWanted = (name: (typeof driverWorkloads)[number]): boolean =>
    words.length === 0 || words.some((word) => name.includes(word))
  const needsRounds = driverWorkloads.some((name) => name !== 'tests' && isWanted(name))
  const [commands, tests, rounds] = [quick ? 20 : 100, quick ? 4 : 20, options.rounds]
  const progress = new ProgressLine()
  const step = (text: string): void => progress.step(text)
  const [load = 0] = loadavg()

  const { qemu, kernel } = await provision({ onProgress: showFetch(progress) })
  const guests = await driverGuests(scratch, (line) => progress.say(line))
  const measured = await measureRounds(guests, {
    rounds: needsRounds ? rounds : 0,
    restores: isWanted('restore'),
    roundTrips: isWanted('round trip') ? roundTrips : [],
    commands,
    step,
  })
  const [first] = guests
  const suite =
    first !== undefined && isWanted('tests') ? await timeSuite(first, tests, step) : undefined
  progress.clear()
  const { accelerator } = chooseAccelerator('auto')
  return {
    notes: [
      describeMachine(),
      `QEMU ${qemu.found?.version.text} with ${accelerator.toUpperCase()}, ${MEMORY_MIB} MiB, 1 virtual CPU, ` +
        `Linux ${kernel.found?.release} in the guest, files over tcp`,
      `medians of rounds (${rounds}), each with new machines; in each ${commands} commands of each kind, ` +
        `after its init has started everything; ` +
        `load average at the beginning: ${load.toFixed(1)}`,
    ],
    guests: measured.filter(({ boots }) => boots.length > 0),
    suite,
  }
}
