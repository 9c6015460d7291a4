import { setTimeout as sleep } from 'node:timers/promises'
import { whenAborted } from '../util/promises.ts'
import { anySignal } from './any-signal.ts'
import type { Recorder } from '../record/recorder.ts'
import { WaitError, type WaitErrorOptions } from './wait-error.ts'

/** What every wait may be told. */
export interface WaitOptions {
  /** Seconds. Default: 900, thrice as many where the guest is emulated. */
  readonly timeout?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What a wait has to know about its machine. */
export interface Waiter {
  readonly name: string
  readonly recorder: Recorder
  /** Resolves when the machine is over. */
  readonly ended: Promise<Error>
  /** Seconds. */
  readonly defaultTimeout: number
  /** Aborted when something that should always hold does not; with that as its reason. */
  readonly upset: AbortSignal
  consoleTail(): string
}

/**
 * Waits for what `attempt` waits for: until it resolves, the machine ends, or the time is over.
 *
 * @param what for a person: "unit nginx.service".
 * @param attempt is to give up when its signal is aborted.
 * @param seen says at the end what there was instead.
 * @throws WaitError when the time is over, what `attempt` throws, the machine's end.
 */
export async function waitFor<T>(
  waiter: Waiter,
  what: string,
  { timeout = waiter.defaultTimeout, signal }: WaitOptions,
  attempt: (signal: AbortSignal) => Promise<T>,
  seen: () => string = () => '',
): Promise<T> {
  const record = waiter.recorder.wait(what)
  const over = new AbortController()
  const any = anySignal(over.signal, waiter.upset, signal)
  const timer = setTimeout(() => {
    const instead = seen()
    const why = `did not come within ${timeout} seconds${instead === '' ? '' : `, ${instead}`}`
    over.abort(failure(waiter, what, why))
  }, timeout * 1000)
  const end = waiter.ended.then((error) => over.abort(error))
  try {
    any.throwIfAborted()
    const result = await Promise.race([attempt(any), whenAborted(any)])
    record.end()
    return result
  } catch (error) {
    // Whoever was told to stop may say so in words of its own.
    const reason: unknown = any.aborted ? any.reason : error
    record.end(reason instanceof Error ? reason.message : String(reason))
    throw reason
  } finally {
    clearTimeout(timer)
    over.abort()
    end.catch(() => {})
  }
}

/** The error for something that will not come. */
export function failure(
  waiter: Pick<Waiter, 'name' | 'consoleTail'>,
  what: string,
  why: string,
  options?: WaitErrorOptions,
): WaitError {
  return new WaitError({ machine: waiter.name, what, console: waiter.consoleTail() }, why, options)
}

/** Longest pause between two looks, in milliseconds. */
const LONGEST_PAUSE = 1000

/**
 * Waits for an answer that is not undefined, and asks for it again and again, first soon, then each second.
 *
 * @param ask, @param seen as `attempt` and `seen` of {@link waitFor}.
 */
export function waitForAnswer<T>(
  waiter: Waiter,
  what: string,
  options: WaitOptions,
  ask: (signal: AbortSignal) => Promise<T | undefined>,
  seen: () => string,
): Promise<T> {
  const attempt = async (signal: AbortSignal): Promise<T> => {
    for (let pause = 50; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE)) {
      const answer = await ask(signal)
      if (answer !== undefined) return answer
      await sleep(pause, undefined, { signal })
    }
  }
  return waitFor(waiter, what, options, attempt, seen)
}
