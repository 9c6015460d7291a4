import { qemuTime } from '../cpu-time.ts'

/** Who takes processor time for a machine, in the order in which it is shown. */
export const takers = ['guest', 'qemu', 'driver'] as const

/** Processor time in milliseconds, or what of it belongs to one command: other than the time it says nothing of waiting. */
export type ProcessorTime = Readonly<
  Record<
    /**
     * `guest`: the guest's own instructions. `qemu`: QEMU beside them, which is devices, its user network, and the
     * emulator's other threads. `driver`: this process, with the servers.
     */
    (typeof takers)[number],
    number
  >
>

const NS_PER_MS = 1e6
const US_PER_MS = 1e3

/** What was taken up to now. @param pid QEMU's; without one it has taken nothing yet. */
export function processorTime(pid?: number): ProcessorTime {
  const qemu = pid === undefined ? { guest: 0, rest: 0 } : qemuTime(pid)
  const { user, system } = process.cpuUsage()
  return {
    guest: qemu.guest / NS_PER_MS,
    qemu: qemu.rest / NS_PER_MS,
    driver: (user + system) / US_PER_MS,
  }
}

/** What was taken between the two, for each of `count` commands. */
export function taken(before: ProcessorTime, after: ProcessorTime, count = 1): ProcessorTime {
  const of = (taker: keyof ProcessorTime): number => (after[taker] - before[taker]) / count
  return { guest: of('guest'), qemu: of('qemu'), driver: of('driver') }
}
