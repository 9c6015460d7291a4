import type { QmpEvent } from '../../machine/qmp.ts'
import type { Guest } from '../guest.ts'
import { ConsoleSearch } from './console-search.ts'
import { type WaitOptions, defaultTimeout, patternText, waitFor } from './wait.ts'

/** Waits until the text of the serial console matches, and resolves with the match. Earlier output counts. */
export function waitForConsoleText(
  guest: Guest,
  pattern: RegExp | string,
  options: WaitOptions,
): Promise<string> {
  const { console } = guest.qemu
  return waitFor(guest, `${patternText(pattern)} on the console`, options, (signal) => {
    return new Promise<string>((resolve) => {
      const search = new ConsoleSearch(console, pattern)
      const look = (): void => {
        const found = search.look()
        if (found === undefined) return
        console.off('text', look)
        resolve(found)
      }
      console.on('text', look)
      signal.addEventListener('abort', () => console.off('text', look), { once: true })
      look()
    })
  })
}

/** Waits for an event of QEMU's monitor. Earlier events do not count. */
export function waitForQmpEvent(
  guest: Guest,
  filter: (event: QmpEvent) => boolean,
  options: WaitOptions,
): Promise<QmpEvent> {
  const bounds = { timeout: defaultTimeout(guest.accelerator, 600), ...options }
  return waitFor(guest, 'an event of QEMU', bounds, async (signal) => {
    const qmp = await guest.qemu.qmp
    return qmp.next(filter, signal)
  })
}
