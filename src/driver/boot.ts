import { BOOT_TIMEOUT } from '../machine/accelerator.ts'
import { findForPlan } from '../machine/find.ts'
import { type MachinePlan, planMachine } from '../machine/plan.ts'
import { QemuMachine } from '../machine/qemu-machine.ts'
import { type MachineIdentity, type WatchOptions, assemble } from './assemble.ts'
import { type Machine, machineOf } from './machine.ts'
import type { BootOptions, NetworkSeat } from './options.ts'
import { untilReady } from './power.ts'
import { RunningGuest } from './running-guest.ts'
import { startMachine } from './test-machines.ts'

/**
 * Boots a machine and resolves when it takes commands; where its init is systemd, when systemd answers.
 *
 * ```ts
 * await using vm = await boot({ root: '/srv/debian', memory: '1G' })
 * await vm.waitForUnit('nginx')
 * ```
 *
 * In a test of node:test's, `boot({ root, test: t })` needs no `await using`: the machine is the test's
 * ({@link BootOptions.test}).
 *
 * @throws MachineError when the guest or QEMU ends before that, with the end of the console; ProvisionError
 *   when QEMU, busybox or a kernel is missing; RangeError for an option that this host cannot have; ErrnoError when a
 *   directory cannot be served. Nothing is left behind then.
 */
export async function boot(options: BootOptions = {}): Promise<Machine> {
  return machineOf(
    await startMachine(options, async (each) => bootPlanned(await planBoot(each), each)),
  )
}

/** Boots a machine of a network. @throws as {@link boot}. */
export async function bootSeated(options: BootOptions, seat: NetworkSeat): Promise<Machine> {
  return machineOf(
    await startMachine(options, async (each) => bootPlanned(await planBoot(each, seat), each)),
  )
}

/** Boots what was planned. @throws as {@link boot}. */
export function bootPlanned(
  { plan, identity }: BootPlan,
  options: WatchOptions,
): Promise<RunningGuest> {
  return assemble(
    identity,
    options,
    (hooks) => QemuMachine.boot(plan, hooks),
    (parts) => new RunningGuest(parts),
    async (guest) => {
      if (plan.init !== 'systemd') return
      await untilReady(guest, { timeout: identity.timeout, signal: options.signal })
    },
  )
}

/** A machine of the driver's before anything of it is started. */
export interface BootPlan {
  /** What it is made of. */
  readonly plan: MachinePlan
  /** What its tests know of it. */
  readonly identity: MachineIdentity
}

/** Plans a machine, in a network or outside of one. Starts nothing. @throws as {@link boot}. */
export async function planBoot(options: BootOptions, seat?: NetworkSeat): Promise<BootPlan> {
  const found = await findForPlan(options)
  const inNetwork = seat === undefined ? {} : { nics: seat.nics, prepare: seat.script }
  const plan = planMachine({ ...options, ...inNetwork }, found)
  return {
    plan,
    identity: {
      name: plan.hostname,
      init: plan.init,
      accelerator: found.accelerator,
      env: options.env ?? {},
      seat,
      timeout: options.timeout ?? BOOT_TIMEOUT[plan.accelerator] / 1000,
    },
  }
}
