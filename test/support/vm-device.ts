import { readFileSync, readdirSync, readlinkSync } from 'node:fs'

/** A device whose backend is another process. */
export interface PrintedDevice {
  readonly tag: string
  /** What QEMU has to be told about it; the guest's memory has to be shared. */
  readonly qemuArguments: readonly string[]
  /** The command by which a guest mounts it. */
  readonly mountAt: (target: string) => string
}

/** What `serve --listen vhost-user:…` of one directory has printed, with not a word changed. */
export function printedDevice(printed: string): PrintedDevice {
  const [, qemu] = /^# {3}(-chardev .*)$/m.exec(printed) ?? []
  const [, mount, tag] = /^(mount -t 9p -o \S+ (\S+)) \/mnt$/m.exec(printed) ?? []
  if (qemu === undefined || mount === undefined || tag === undefined) {
    throw new Error(`these are not the lines for a device:\n${printed}`)
  }
  return {
    tag,
    qemuArguments: qemu.split(' '),
    mountAt: (target) => `mkdir -p ${target} && ${mount} ${target}`,
  }
}

/** What a server holds for its guests: descriptors that are open, and pieces of guests' memory that are mapped. */
export function heldBy(pid: number): { readonly descriptors: number; readonly mappings: number } {
  const maps = readFileSync(`/proc/${pid}/maps`, 'latin1')
  return {
    descriptors: descriptorsOf(pid).length,
    mappings: maps.match(/ \/memfd:memory-backend-memfd /g)?.length ?? 0,
  }
}

function descriptorsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      // Closed since.
      return []
    }
  })
}
