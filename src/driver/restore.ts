import { BOOT_TIMEOUT, sameAccelerator } from '../machine/accelerator.ts'
import { QemuMachine } from '../machine/qemu-machine.ts'
import { type WatchOptions, assemble } from './assemble.ts'
import type { MachineParts } from './running-guest.ts'
import type { BootOptions } from './options.ts'
import { type MachineSnapshot, readSnapshot } from './machine-snapshot.ts'

/** What a machine that goes on from a snapshot may have of its own. */
export type RestoreOptions = WatchOptions & Pick<BootOptions, 'timeout' | 'env' | 'forwardPorts'>

/**
 * Starts a machine that goes on from a snapshot.
 *
 * @param make makes a machine of its parts.
 */
export async function restoreSnapshot<M>(
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
    async () => {},
  )
}
