import { setTimeout as sleep } from 'node:timers/promises'
import type { Machine } from '../../src/driver/machine.ts'
import { type CpuTime, cpuTime, taken } from './cpu-time.ts'
import { median, percentile } from '../statistics.ts'

/** A command that does nothing, so that its time is the cost of running a command. */
export interface RoundTrip {
  readonly name: string
  /** The pause between two commands in milliseconds, in which the guest starts the shell for the next. */
  readonly pause: number
  readonly run: (machine: Machine) => PromiseLike<unknown>
}

/** The times of the commands of one round, in milliseconds. */
export interface RoundTripTimes {
  /** The median. */
  readonly p50: number
  /** The 95th percentile. */
  readonly p95: number
  /** The average for a command, with the work that is done in its pause. */
  readonly cpu: CpuTime
}

/** A pause in which a shell can start even in an emulated guest, in milliseconds. */
const PAUSE = 100

/** How many commands are not counted: meanwhile QEMU translates the code of an emulated guest. */
const WARM_UP = 20

const shell = (machine: Machine): Promise<string> => machine.succeed('true')

export const roundTrips: readonly RoundTrip[] = [
  { name: "succeed('true'), after a pause", pause: PAUSE, run: shell },
  { name: "succeed('true'), without pauses", pause: 0, run: shell },
  {
    name: "exec(['/bin/true']), after a pause",
    pause: PAUSE,
    run: (machine) => machine.exec(['/bin/true']),
  },
]

/** Runs commands one after the other. @param pid of QEMU. */
export async function timeRoundTrips(
  machine: Machine,
  pid: number,
  { pause, run }: RoundTrip,
  count: number,
): Promise<RoundTripTimes> {
  for (let i = 0; i < WARM_UP; i++) await run(machine)
  const times: number[] = []
  const before = cpuTime(pid)
  for (let i = 0; i < count; i++) {
    if (pause > 0) await sleep(pause)
    const began = performance.now()
    await run(machine)
    times.push(performance.now() - began)
  }
  const cpu = taken(before, cpuTime(pid), count)
  return { p50: median(times), p95: percentile(times, 95), cpu }
}
