import { SnapshotCache } from '../machine/snapshot-cache.ts'
import { snapshotKey } from '../machine/snapshot-key.ts'
import { bootPlanned, planBoot } from './boot.ts'
import { type Machine, machineOf } from './machine.ts'
import type { BootOptions } from './options.ts'
import { MachineSnapshot, saveSnapshot } from './machine-snapshot.ts'

/** The preparation of a machine between its boot and its snapshot. */
export interface Preparation {
  /**
   * Tells snapshots with different preparations apart, together with the source text of `prepare`. That text does not
   * show the values of variables from outside the function: put those that matter in here.
   */
  readonly doing?: string
  /** Prepares the machine. It does not run where a kept snapshot is used. */
  readonly prepare?: (vm: Machine) => Promise<unknown>
}

/**
 * A snapshot of a machine that was booted with these options and prepared. It is made once and kept; later calls use the
 * kept one, as long as nothing has changed that it depends on.
 *
 * A snapshot depends on all options, the path of the root and the state of its package manager, QEMU, the kernel,
 * lowerdir, and the preparation. `lowerdir snapshot` lists and removes kept snapshots. They are removed by themselves
 * when they are not used for 14 days, and those used longest ago when all
 * together are larger than 4 GiB.
 *
 * ```ts
 * const snapshot = await snapshotOf({ root }, { prepare: (vm) => vm.waitForUnit('postgresql') })
 * await using vm = await Machine.restore(snapshot)
 * ```
 *
 * @throws as {@link boot} and {@link Machine.snapshot}; what `prepare` throws.
 */
export async function snapshotOf(
  options: BootOptions,
  { doing = '', prepare }: Preparation = {},
): Promise<MachineSnapshot> {
  // Any QEMU can save a machine with it.
  const portable: BootOptions = { ...options, transport: options.transport ?? 'tcp' }
  const planned = await planBoot(portable)
  const { plan, identity } = planned
  const cache = new SnapshotCache()
  const key = await snapshotKey(plan, `${JSON.stringify(identity.env)}${doing}${String(prepare)}`)
  const kept = await cache.find(key)
  if (kept !== undefined) return new MachineSnapshot(kept)

  await using guest = await bootPlanned(planned, portable)
  await prepare?.(machineOf(guest))
  const about = { name: plan.hostname, root: plan.root, doing }
  return new MachineSnapshot(await cache.add(key, about, (folder) => saveSnapshot(guest, folder)))
}
