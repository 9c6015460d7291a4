import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ProvisionError } from '../../src/provision/provision-error.ts'
import { boot } from '../../src/driver/boot.ts'
import type { Machine } from '../../src/driver/machine.ts'
import type { BootOptions } from '../../src/driver/options.ts'
import { debianRoot } from '../../test/support/debian-root.ts'

/** What every guest has. The goals are for this much memory, and for one processor. */
export const MEMORY_MIB = 512

/** Over tcp, since only such a machine can be saved. */
const common = { memory: MEMORY_MIB, cpus: 1, transport: 'tcp' } as const

/** A guest to measure. */
export interface DriverGuest {
  readonly name: string
  /** Takes it from nothing to ready for commands. */
  boot(): Promise<Machine>
  /** Waits until its init has nothing left to start. */
  rest(machine: Machine): Promise<unknown>
  /** QEMU's process, of the machine that was started last. */
  pid(): number
}

/**
 * The guests: a shell on this machine's root, and a Debian system with systemd.
 *
 * @param scratch an empty folder, removed by the caller.
 * @param log hears why one is left out.
 */
export async function driverGuests(
  scratch: string,
  log: (line: string) => void,
): Promise<DriverGuest[]> {
  const pidFile = join(scratch, 'qemu.pid')
  const guest = (name: string, options: BootOptions): DriverGuest => ({
    name,
    boot: () => boot({ ...common, qemuArguments: ['-pidfile', pidFile], ...options }),
    rest: async (machine) => {
      // "degraded" is an answer as well.
      if (machine.init === 'systemd') await machine.systemctl('is-system-running --wait')
    },
    pid: () => Number(readFileSync(pidFile, 'latin1')),
  })
  const guests = [guest('/, no init', { root: '/', init: 'none' })]
  try {
    const { folder, release } = await debianRoot()
    guests.push(guest(`Debian ${release}, systemd`, { root: folder, init: 'systemd' }))
  } catch (error) {
    if (!(error instanceof ProvisionError) || error.code !== 'no-permission') throw error
    log(`without a guest that has systemd: ${error.message}`)
  }
  return guests
}
