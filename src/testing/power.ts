import { BUSYBOX } from '../guest/agent.ts'
import type { QemuMachine } from '../machine/qemu-machine.ts'
import type { Machine } from './machine.ts'
import { type WaitOptions, waitFor } from './wait.ts'

/** Waits until the machine is over by itself. */
export async function waitForShutdown(machine: Machine, options: WaitOptions): Promise<void> {
  const { waiter } = machine
  // Its end is what is waited for, and no reason to give up.
  const patient = { ...waiter, ended: new Promise<never>(() => {}) }
  await waitFor(patient, 'the shutdown', options, () => machine.ended)
}

/** Tells the guest to power off, and waits until it has. */
export async function shutdown(
  machine: Machine,
  qemu: QemuMachine,
  options: WaitOptions,
): Promise<void> {
  if (machine.init === 'systemd') {
    // It is ended by what it asks for.
    machine.exec('systemctl poweroff').then(undefined, () => {})
  } else {
    await qemu.powerOff()
  }
  await waitForShutdown(machine, options)
}

/** Makes the guest reboot, and waits until it takes commands again. */
export async function reboot(
  machine: Machine,
  qemu: QemuMachine,
  options: WaitOptions,
): Promise<void> {
  await waitFor(machine.waiter, 'the reboot', options, async (signal) => {
    const begin = (): void => {
      if (machine.init === 'systemd') machine.exec('systemctl reboot').then(undefined, () => {})
      else qemu.tellAgent('sync; reboot -f\n')
    }
    await qemu.reboot(begin, () => untilReady(machine, signal))
  })
}

/** Waits until the guest takes commands and, where its init is systemd, until that does. */
export async function untilReady(machine: Machine, signal?: AbortSignal): Promise<void> {
  const ready = machine.init === 'systemd' ? '[ -S /run/systemd/private ]' : ':'
  await machine.exec(`until ${ready}; do ${BUSYBOX} usleep 100000; done`, {
    quiet: true,
    ...(signal === undefined ? {} : { signal }),
  })
}
