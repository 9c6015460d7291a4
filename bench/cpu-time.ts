import { readFileSync, readdirSync } from 'node:fs'

/**
 * Processor time that a process has had, all its threads together, in nanoseconds: the first number
 * of /proc/PID/task/TID/schedstat. Threads that have ended are not in it.
 */
export function cpuTime(pid: number): number {
  let sum = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [time] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')
    sum += Number(time)
  }
  return sum
}
