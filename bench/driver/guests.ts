import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ProvisionError } from '../../src/provision/provision-error.ts'
import { boot } from '../../src/driver/boot.ts'
import type { Machine } from '../../src/driver/machine.ts'
import type { BootOptions } from '../../src/driver/options.ts'
import { debianRoot } from '../../test/support/debian-root.ts'

/** The memory of every guest. The goals are for this much memory and for one CPU. */
export const MEMORY_MIB = 512

/** Over tcp, since a machine with vhost-user devices cannot be saved. */
const common = { memory: MEMORY_MIB, cpus: 1, transport: 'tcp' } as const

/** A guest to measure. */
export interface DriverGuest {
  readonly name: string
  /** Boots it until it takes commands. */
  boot(): Promise<Machine>
  /** Waits until its init has started everything. */
  rest(machine: Machine): Promise<unknown>
  /** The pid of QEMU, for the machine that was started last. */
  pid(): number
}

/**
 * The guests: a shell on this machine's root, and a Debian system with systemd.
 *
 * @param scratch an empty folder, removed by the caller.
 * @param log gets a line when a guest is left out, with the reason.
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
      // Its status does not matter: a system can also be up and "degraded".
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
