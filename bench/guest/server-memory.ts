import { readFileSync } from 'node:fs'
import type { BenchGuest } from './guest.ts'
import { cacheModes } from './peer.ts'
import type { GuestKind, Memory } from './results.ts'

/** What servers have in memory. The guest's memory, which some of them see as well, is not theirs. */
export function memoryOf({ peers }: BenchGuest, guest: GuestKind): Memory[] {
  return peers.flatMap(({ peer, started }) => {
    const pids = new Map(cacheModes.map((cache) => [started.pid(cache), cache]))
    return [...pids].flatMap(([pid, cache]): Memory[] => {
      if (pid === undefined) return []
      const name = pids.size > 1 ? `${peer.name}, cache=${cache}` : peer.name
      return [{ peer: name, guest, bytes: residentBytes(pid) }]
    })
  })
}

/** Anonymous memory and files, as proc_pid_status(5) counts them; not what is shared. */
function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const kibibytes = [...status.matchAll(/^Rss(?:Anon|File):\s+(\d+) kB$/gm)]
  return kibibytes.reduce((sum, [, value]) => sum + Number(value) * 1024, 0)
}
