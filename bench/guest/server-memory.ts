import { readFileSync } from 'node:fs'
import type { BenchGuest } from './guest.ts'
import { cacheModes } from './peer.ts'
import type { GuestKind, Memory } from './results.ts'

/** The resident memory of the servers, without the guest's memory, which some of them map. */
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

/** RssAnon and RssFile of proc_pid_status(5), without shared memory. */
function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const kibibytes = [...status.matchAll(/^Rss(?:Anon|File):\s+(\d+) kB$/gm)]
  return kibibytes.reduce((sum, [, value]) => sum + Number(value) * 1024, 0)
}
