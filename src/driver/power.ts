import { isShutdown } from '../machine/failure.ts'
import type { Guest } from './guest.ts'
import { untilLoop } from './waits/shell.ts'
import { type WaitOptions, type Waiter, waitFor } from './waits/wait.ts'

/**
 * Signals to process 1 (systemd(1), "SIGNALS"; SIGRTMIN is 34 in glibc). They need no bus, and no inhibitor of logind
 * delays them.
 */
const SYSTEMD_SIGNALS = { poweroff: 34 + 4, reboot: 34 + 5 } as const

function signalSystemd({ qemu }: Guest, signal: number): void {
  qemu.tellAgent(`kill -${signal} 1\n`)
}

/**
 * Waits until the guest has powered itself off.
 *
 * @throws MachineError when it ends in another way, such as by a panic or because QEMU was killed.
 */
export async function waitForShutdown(guest: Guest, options: WaitOptions): Promise<void> {
  await untilOff(guest, options, async () => {})
}

/** @param begin makes the guest power off. */
async function untilOff(
  guest: Guest,
  options: WaitOptions,
  begin: () => Promise<void>,
): Promise<void> {
  const { name, recorder, defaultTimeout, upset } = guest
  const waiter: Waiter = {
    name,
    recorder,
    defaultTimeout,
    upset,
    consoleTail: () => guest.consoleTail(),
    // The wait is for the machine's end, which therefore does not give it up.
    ended: new Promise<never>(() => {}),
  }
  const end = await waitFor(waiter, 'the shutdown', options, async () => {
    await begin()
    return guest.ended
  })
  if (!isShutdown(end)) throw end
}

/** Tells the guest to power off, and waits until it is off. @throws as {@link waitForShutdown}. */
export async function shutdown(guest: Guest, options: WaitOptions): Promise<void> {
  await untilOff(guest, options, async () => {
    if (guest.init === 'systemd') signalSystemd(guest, SYSTEMD_SIGNALS.poweroff)
    else await guest.qemu.powerOff()
  })
}

/** Makes the guest reboot, and waits until it takes commands again. */
export async function reboot(guest: Guest, options: WaitOptions): Promise<void> {
  await waitFor(guest, 'the reboot', options, async (signal) => {
    const begin = (): void => {
      if (guest.init === 'systemd') signalSystemd(guest, SYSTEMD_SIGNALS.reboot)
      else guest.qemu.tellAgent('sync; reboot -f\n')
    }
    await guest.qemu.reboot(begin, () => untilReady(guest, { signal, timeout: Infinity }))
  })
}

/** Waits until the guest takes commands and, where its init is systemd, until systemd answers. */
export async function untilReady(guest: Guest, options: WaitOptions): Promise<void> {
  const ready = guest.init === 'systemd' ? '[ -S /run/systemd/private ]' : ':'
  await guest.exec(untilLoop(ready), { ...options, quiet: true })
}
