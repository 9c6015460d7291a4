import { expect } from 'vitest'

/** The timeouts that are tried, in seconds. */
const TIMEOUTS = [1, 5, 25, 100]

/**
 * Waits for something that never comes, and expects the error to say what there was instead.
 *
 * A wait can say so once it has looked, and on a busy machine one look may take longer than a short timeout. So the
 * timeout grows until the error has it.
 *
 * @param wait starts the wait, with a timeout in seconds.
 */
export async function inVain(
  wait: (timeout: number) => Promise<unknown>,
  message: RegExp,
): Promise<void> {
  let said = ''
  for (const timeout of TIMEOUTS) {
    said = await wait(timeout).then(
      () => 'it came',
      (error: unknown) => (error as Error).message,
    )
    if (message.test(said)) break
  }
  expect(said).toMatch(message)
}
