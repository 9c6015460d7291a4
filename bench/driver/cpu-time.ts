import { cpuTime as timeOf, qemuTime } from '../cpu-time.ts'
import { servingProcesses } from '../serving-processes.ts'

/** The parts of a machine's CPU time, in the order in which they are shown. */
export const takers = ['guest', 'qemu', 'driver'] as const

/** CPU time in milliseconds, in all or for one command. Other than elapsed time it does not include waiting. */
export type CpuTime = Readonly<
  Record<
    /**
     * `guest`: the guest's own instructions. `qemu`: QEMU's other threads, which are devices, the user network and the
     * translation of code. `driver`: this process and its file servers.
     */
    (typeof takers)[number],
    number
  >
>

const NS_PER_MS = 1e6
const US_PER_MS = 1e3

/** The CPU time until now. @param pid of QEMU; undefined before QEMU has been started. */
export function cpuTime(pid?: number): CpuTime {
  const qemu = pid === undefined ? { guest: 0, rest: 0 } : qemuTime(pid)
  const { user, system } = process.cpuUsage()
  const serving = servingProcesses(process.pid).reduce((sum, each) => sum + timeOf(each), 0)
  return {
    guest: qemu.guest / NS_PER_MS,
    qemu: qemu.rest / NS_PER_MS,
    driver: (user + system) / US_PER_MS + serving / NS_PER_MS,
  }
}

/** The CPU time between two moments, divided by the number of commands. */
export function taken(before: CpuTime, after: CpuTime, count = 1): CpuTime {
  const of = (taker: keyof CpuTime): number => (after[taker] - before[taker]) / count
  return { guest: of('guest'), qemu: of('qemu'), driver: of('driver') }
}
