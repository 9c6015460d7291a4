import { SnapshotCache } from '../machine/snapshot-cache.ts'
import { snapshotKey } from '../machine/snapshot-key.ts'
import { bootPlanned, planBoot } from './boot.ts'
import type { Machine } from './machine.ts'
import type { BootOptions } from './options.ts'
import { MachineSnapshot } from './machine-snapshot.ts'

/** What is done to a machine between its boot and its snapshot. */
export interface Preparation {
  /**
   * What a snapshot is known by that has it done: with `prepare`'s own text, which says nothing of the variables
   * around it. Whatever these may change belongs in here.
   */
  readonly doing?: string
  readonly prepare?: (vm: Machine) => Promise<unknown>
}

/**
 * A snapshot of a machine that was booted with these options and prepared: the one that was kept, where nothing has
 * changed that has gone into it, or one that is made now, and kept for the next time.
 *
 * What goes into it: all options, the root's place and state as a package manager leaves it, QEMU, kernel, lowerdir,
 * and the preparation. `lowerdir snapshot` lists and removes what is kept; what is not used for 14 days goes by itself,
 * and so does what is more than 4 GiB in all.
 *
 * ```ts
 * const snapshot = await snapshotOf({ root }, { prepare: (vm) => vm.waitForUnit('postgresql') })
 * await using vm = await Machine.restore(snapshot)
 * ```
 *
 * @throws as `boot` and {@link Machine.snapshot}, and what `prepare` throws.
 */
export async function snapshotOf(
  options: BootOptions,
  { doing = '', prepare }: Preparation = {},
): Promise<MachineSnapshot> {
  // QEMU saves no other.
  const portable: BootOptions = { ...options, transport: options.transport ?? 'tcp' }
  const planned = await planBoot(portable)
  const { plan, identity } = planned
  const cache = new SnapshotCache()
  const key = await snapshotKey(plan, `${JSON.stringify(identity.env)}${doing}${String(prepare)}`)
  const kept = await cache.find(key)
  if (kept !== undefined) return new MachineSnapshot(kept)

  await using machine = await bootPlanned(planned, portable)
  await prepare?.(machine)
  const about = { name: plan.hostname, root: plan.root, doing }
  return new MachineSnapshot(await cache.add(key, about, (folder) => machine.snapshot(folder)))
}
