import { readFileSync, readdirSync } from 'node:fs'

/** The pids of the serving processes that a process has started (src/server/main.cts). */
export function servingProcesses(starter: number): number[] {
  return readdirSync(`/proc/${starter}/task`)
    .flatMap((thread) =>
      readFileSync(`/proc/${starter}/task/${thread}/children`, 'latin1').split(' '),
    )
    .filter((pid) => pid !== '' && isServing(pid))
    .map(Number)
}

function isServing(pid: string): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('/server/main.cjs')
}
