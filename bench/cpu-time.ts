import { readFileSync, readdirSync } from 'node:fs'

/** Nanoseconds in a tick of /proc/PID/stat: USER_HZ is 100 on both architectures that are supported. */
const TICK_NS = 1e7

/**
 * The CPU time of a process in nanoseconds, the sum of its threads: the first number of
 * /proc/PID/task/TID/schedstat. It does not include threads that have ended.
 */
export function cpuTime(pid: number): number {
  let sum = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [time] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')
    sum += Number(time)
  }
  return sum
}

/** The CPU time of a QEMU in nanoseconds, in steps of 10 ms. */
export interface QemuTime {
  /** The threads of the virtual CPUs: the guest's instructions, emulated or not. */
  readonly guest: number
  /** All other threads, with those that have ended. */
  readonly rest: number
}

/** The CPU time of a QEMU until now. */
export function qemuTime(pid: number): QemuTime {
  let guest = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`
    // "CPU 0/TCG", "CPU 1/KVM": QEMU names its threads.
    const isCpu = readFileSync(`${folder}/comm`, 'latin1').startsWith('CPU ')
    if (isCpu) guest += ticks(`${folder}/stat`)
  }
  return { guest: guest * TICK_NS, rest: (ticks(`/proc/${pid}/stat`) - guest) * TICK_NS }
}

/** utime + stime of proc_pid_stat(5), the 14th and 15th field; the second is a name in parentheses. */
function ticks(path: string): number {
  const stat = readFileSync(path, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}
