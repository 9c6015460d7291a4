import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** How many descriptors a process has open, all its threads together. Default: this one. */
export function openDescriptors(pid: number | 'self' = 'self'): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** What they stand for: paths, where they have some. */
export function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      // The one that the list was read with.
      return []
    }
  })
}

/** How many mappings a process has of files in memory (memfd_create(2)). Default: this one. */
export function memfdMappings(pid: number | 'self' = 'self'): number {
  return readFileSync(`/proc/${pid}/maps`, 'latin1')
    .split('\n')
    .filter((line) => line.includes('/memfd:lowerdir')).length
}

/** The resident memory of a process in bytes, without what it shares with others: RssAnon of proc_pid_status(5). */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}
