import type { Console } from '../machine/console.ts'
import type { Machine } from './machine.ts'
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
  const what = `${pattern instanceof RegExp ? pattern : `"${pattern}"`} on the console`
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

/** What of `text` a pattern matches; a string is to be found as it is. */
export function find(text: string, pattern: RegExp | string): string | undefined {
  if (typeof pattern === 'string') return text.includes(pattern) ? pattern : undefined
  // A global one would begin where it has ended the last time.
  return new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, '')).exec(text)?.[0]
}
