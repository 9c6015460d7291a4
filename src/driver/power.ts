import { BUSYBOX } from '../guest/agent.ts'
import { isShutdown } from '../machine/failure.ts'
import type { QemuMachine } from '../machine/qemu-machine.ts'
import type { Machine } from './machine.ts'
import { untilLoop } from './waits/shell.ts'
import { type WaitOptions, waitFor } from './waits/wait.ts'

/**
 * What process 1 is told by signals (systemd(1), "SIGNALS"; SIGRTMIN is 34 to the C library). It neither needs a bus
 * for that nor asks logind whether somebody minds.
 */
const SYSTEMD_SIGNALS = { poweroff: 34 + 4, reboot: 34 + 5 } as const

function signalSystemd(machine: Machine, signal: number): void {
  // It may be ended by what it asks for.
  machine.exec([BUSYBOX, 'kill', `-${signal}`, '1'], { quiet: true }).then(undefined, () => {})
}

/**
 * Waits until the guest has ended the machine.
 *
 * @throws MachineError when it has ended otherwise: a panic, a QEMU that was killed.
 */
export async function waitForShutdown(machine: Machine, options: WaitOptions): Promise<void> {
  const { waiter } = machine
  // Its end is what is waited for, and no reason to give up.
  const patient = { ...waiter, ended: new Promise<never>(() => {}) }
  const end = await waitFor(patient, 'the shutdown', options, () => machine.ended)
  if (!isShutdown(end)) throw end
}

/** Tells the guest to power off, and waits until it has. @throws as {@link waitForShutdown}. */
export async function shutdown(
  machine: Machine,
  qemu: QemuMachine,
  options: WaitOptions,
): Promise<void> {
  if (machine.init === 'systemd') {
    signalSystemd(machine, SYSTEMD_SIGNALS.poweroff)
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
      if (machine.init === 'systemd') signalSystemd(machine, SYSTEMD_SIGNALS.reboot)
      else qemu.tellAgent('sync; reboot -f\n')
    }
    await qemu.reboot(begin, () => untilReady(machine, signal))
  })
}

/** Waits until the guest takes commands and, where its init is systemd, until that does. */
export async function untilReady(machine: Machine, signal?: AbortSignal): Promise<void> {
  const ready = machine.init === 'systemd' ? '[ -S /run/systemd/private ]' : ':'
  await machine.exec(untilLoop(ready), {
    quiet: true,
    ...(signal === undefined ? {} : { signal }),
  })
}
