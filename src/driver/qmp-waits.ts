import type { Qmp, QmpEvent } from '../machine/qmp.ts'
import type { Machine } from './machine.ts'
import { defaultTimeout } from './timeouts.ts'
import { type WaitOptions, waitFor } from './waits/wait.ts'

/** Waits for an event of the monitor that comes from now on. */
export function waitForQmpEvent(
  machine: Machine,
  monitor: Promise<Qmp>,
  filter: (event: QmpEvent) => boolean,
  options: WaitOptions,
): Promise<QmpEvent> {
  const bounds = { timeout: defaultTimeout(machine.accelerator, 600), ...options }
  return waitFor(machine.waiter, 'an event of QEMU', bounds, async (signal) => {
    const qmp = await monitor
    return qmp.next(filter, signal)
  })
}
