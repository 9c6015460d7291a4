import { setTimeout as sleep } from 'node:timers/promises'
import type { Machine } from '../../src/driver/machine.ts'
import { type ProcessorTime, processorTime, taken } from './processor-time.ts'
import { median, percentile } from '../statistics.ts'

/** A command that does nothing: what is left is what it takes to run one. */
export interface RoundTrip {
  readonly name: string
  /** Milliseconds between one's end and the next one's beginning, in which the guest gets the next shell ready. */
  readonly pause: number
  readonly run: (machine: Machine) => PromiseLike<unknown>
}

/** What the commands of one round took; times are in milliseconds. */
export interface RoundTripTimes {
  /** Half of them took no longer. */
  readonly p50: number
  /** Of 20, 19 took no longer. */
  readonly p95: number
  /** On average, with what is done in a pause. */
  readonly processor: ProcessorTime
}

/** Long enough for a shell to start, also where the guest is emulated. */
const PAUSE = 100

/** That many are not counted: until then a guest that is emulated is still being translated. */
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

/** Runs so many commands, one after the other. @param pid QEMU's. */
export async function timeRoundTrips(
  machine: Machine,
  pid: number,
  { pause, run }: RoundTrip,
  count: number,
): Promise<RoundTripTimes> {
  for (let i = 0; i < WARM_UP; i++) await run(machine)
  const times: number[] = []
  const before = processorTime(pid)
  for (let i = 0; i < count; i++) {
    if (pause > 0) await sleep(pause)
    const began = performance.now()
    await run(machine)
    times.push(performance.now() - began)
  }
  const processor = taken(before, processorTime(pid), count)
  return { p50: median(times), p95: percentile(times, 95), processor }
}
