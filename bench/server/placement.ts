import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** The processors that we may run on, as taskset(1) writes them: "0-3,6". */
const everywhere =
  /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'

/** One of them; not the first, which has more interrupts to serve. */
const alone = /\d+$/.exec(everywhere)?.[0] ?? '0'

/**
 * Says where processes run. With one request in flight client and server never work at the same
 * time, so they lose nothing by sharing one processor. Apart, each hop would wait for an idle
 * processor to be woken: on a virtual machine that takes longer than all that is to be measured.
 *
 * Where there is no taskset the kernel decides, as always.
 */
export function place(pids: readonly number[], together: boolean): void {
  const list = together ? alone : everywhere
  for (const pid of pids) spawnSync('taskset', ['--all-tasks', '--cpu-list', '-p', list, `${pid}`])
}
