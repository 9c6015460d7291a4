import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** How many descriptors this process has open, all its threads together. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
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

/** How many mappings this process has of files in memory (memfd_create(2)). */
export function memfdMappings(): number {
  return readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .filter((line) => line.includes('/memfd:lowerdir')).length
}
