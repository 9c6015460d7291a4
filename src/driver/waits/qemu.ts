import type { Console } from '../../machine/console.ts'
import type { Machine } from '../machine.ts'
import { find, patternText } from '../pattern.ts'
import { type WaitOptions, waitFor } from './wait.ts'

/**
 * Waits until the console's text matches; what it has said before counts as well. Resolves with the match.
 *
 * @param after how many characters of the text do not count.
 */
export function waitForConsoleText(
  machine: Machine,
  console: Console,
  pattern: RegExp | string,
  options: WaitOptions,
): Promise<string> {
  const what = `${patternText(pattern)} on the console`
  return waitFor(machine.waiter, what, options, (signal) => {
    return new Promise<string>((resolve) => {
      const look = (): void => {
        const found = find(console.text, pattern)
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
