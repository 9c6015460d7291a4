import type { Answering } from '../answering.ts'
import { type WaitOptions, type Waiter, anySignal, bounded, failure } from './wait.ts'

/**
 * As {@link bounded}, for an answer of the guest or of QEMU. Where that one has been silent before, and stays so, the wait
 * ends after the grace period.
 *
 * @param what the answer, for a person.
 */
export async function answered<T>(
  waiter: Omit<Waiter, 'recorder'>,
  answering: Answering,
  what: string,
  options: WaitOptions,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const silence = new AbortController()
  const stop = answering.whileSilent((seconds) => {
    const why = `did not come within ${seconds} seconds, and an earlier one had not come either`
    silence.abort(failure(waiter, what, why))
  })
  const signal = anySignal(options.signal, silence.signal)
  try {
    return await bounded(waiter, what, { ...options, signal }, ask)
  } finally {
    stop()
  }
}
