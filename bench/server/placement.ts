import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** The CPUs that this process may use, as taskset(1) writes them: "0-3,6". */
const everywhere =
  /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'

/** One of them: the last, since the first serves more interrupts. */
const alone = /\d+$/.exec(everywhere)?.[0] ?? '0'

/**
 * Places processes together on one CPU, which costs nothing where client and server never work at the same time, or
 * lets the kernel place them. Without taskset(1) the kernel places them in any case.
 */
export function place(pids: readonly number[], together: boolean): void {
  const list = together ? alone : everywhere
  for (const pid of pids) spawnSync('taskset', ['--all-tasks', '--cpu-list', '-p', list, `${pid}`])
}
