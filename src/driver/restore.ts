import { randomBytes, randomUUID } from 'node:crypto'
import { identityScript } from '../guest/identity.ts'
import { BOOT_TIMEOUT, sameAccelerator } from '../machine/accelerator.ts'
import { QemuMachine } from '../machine/qemu-machine.ts'
import { type WatchOptions, assemble } from './assemble.ts'
import type { MachineParts } from './running-guest.ts'
import type { Guest } from './guest.ts'
import type { BootOptions } from './options.ts'
import { type MachineSnapshot, readSnapshot } from './machine-snapshot.ts'

/** What a machine that goes on from a snapshot may have of its own. */
export interface RestoreOptions
  extends WatchOptions, Pick<BootOptions, 'timeout' | 'env' | 'forwardPorts'> {
  /**
   * Whether the machine gets a boot_id and MAC addresses of its own. Programs that have read the old ones before may mind:
   * systemd's journal goes on with the old boot_id. Default: false, and all machines of one snapshot have the same.
   */
  readonly newIdentity?: boolean
}

/** More NICs than a machine has. */
const NICS = 8

/**
 * Starts a machine that goes on from a snapshot.
 *
 * @param make makes a machine of its parts.
 */
export async function restoreSnapshot<M extends Guest>(
  from: MachineSnapshot | string,
  options: RestoreOptions,
  make: (parts: MachineParts) => M,
): Promise<M> {
  const { snapshot, driver } = await readSnapshot(from)
  const { hostname, init, accelerator, userNetwork } = snapshot.machine.plan
  return assemble(
    {
      name: hostname,
      init,
      accelerator: sameAccelerator(accelerator),
      env: { ...driver.env, ...options.env },
      seat: undefined,
      timeout: options.timeout ?? BOOT_TIMEOUT[accelerator] / 1000,
    },
    options,
    (hooks) =>
      QemuMachine.restore(snapshot, hooks, {
        // Several machines cannot have the same ports of the host.
        userNetwork: userNetwork && { ...userNetwork, forwards: options.forwardPorts ?? [] },
      }),
    make,
    async (machine) => {
      if (options.newIdentity === true) await machine.succeed(newIdentity(), { quiet: true })
    },
  )
}

/** MAC addresses are QEMU's: 52:54:00 is locally administered. */
function newIdentity(): string {
  const macs = Array.from({ length: NICS }, () => {
    const bytes = [0x52, 0x54, 0, ...randomBytes(3)]
    return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
  })
  return identityScript({ bootId: randomUUID(), macs })
}
