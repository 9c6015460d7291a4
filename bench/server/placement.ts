import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** The processors that we may run on, as taskset(1) writes them: "0-3,6". */
const everywhere =
  /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'

/** One of them; not the first, which has more interrupts to serve. */
const alone = /\d+$/.exec(everywhere)?.[0] ?? '0'

/**
 * Says where processes run: on one processor, which they lose nothing by sharing where client and server
 * never work at the same time, or where the kernel likes. Where there is no taskset it decides in any case.
 */
export function place(pids: readonly number[], together: boolean): void {
  const list = together ? alone : everywhere
  for (const pid of pids) spawnSync('taskset', ['--all-tasks', '--cpu-list', '-p', list, `${pid}`])
}
