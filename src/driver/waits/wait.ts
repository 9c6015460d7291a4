import { setTimeout as sleep } from 'node:timers/promises'
import { whenAborted } from '../../util/promises.ts'
import type { Accelerator } from '../../machine/accelerator.ts'
import type { Recorder } from '../../record/recorder.ts'
import { messageOf } from '../../util/error.ts'
import { printable } from '../../util/printable.ts'
import { after } from './after.ts'

/** What every wait may be told. */
export interface WaitOptions {
  /** Seconds; Infinity for no limit. Default: 900, three times as many where the guest is emulated. */
  readonly timeout?: number | undefined
  /** Aborting it gives the wait up, with the signal's reason as the error. */
  readonly signal?: AbortSignal | undefined
}

/** What a wait has to know about its machine. */
export interface Waiter {
  readonly name: string
  readonly recorder: Recorder
  /** Resolves when the machine has ended, with the reason. */
  readonly ended: Promise<Error>
  /** Seconds. */
  readonly defaultTimeout: number
  /** Aborted when a condition that a test declared to hold always does not hold; its reason is that error. */
  readonly upset: AbortSignal
  /** The last lines of the machine's console. */
  consoleTail(): string
}

/** What a {@link WaitError} may be told beside its reason. */
export interface WaitErrorOptions extends ErrorOptions {
  /** Lines that explain the reason, such as the status of a unit. */
  readonly details?: string
}

/** The event that a test waited for did not come, or cannot come any more. */
export class WaitError extends Error {
  override readonly name = 'WaitError'
  /** The machine's name. */
  readonly machine: string
  /** The event, such as "the unit nginx". */
  readonly what: string
  /** The end of the machine's console. */
  readonly console: string

  /** @param why a predicate without its full stop, such as "did not come within 30 seconds". */
  constructor(
    { machine, what, console }: Pick<WaitError, 'machine' | 'what' | 'console'>,
    why: string,
    { details = '', ...options }: WaitErrorOptions = {},
  ) {
    const lines = details.trim() === '' ? '' : `\n${details.trimEnd()}`
    const end = console.trim() === '' ? '' : `\n--- console\n${console.trimEnd()}`
    super(printable(`${machine}: ${what}: ${why}.${lines}${end}`), options)
    this.machine = machine
    this.what = what
    this.console = console
  }
}

/** The error for an event that will not come. */
export function failure(
  waiter: Pick<Waiter, 'name' | 'consoleTail'>,
  what: string,
  why: string,
  options?: WaitErrorOptions,
): WaitError {
  return new WaitError({ machine: waiter.name, what, console: waiter.consoleTail() }, why, options)
}

/**
 * Waits until `attempt` resolves, the machine ends, or the time is over, and records the wait.
 *
 * The wait ends on this side alone: also when the guest, or its QEMU, does not answer any more, and `attempt` never ends.
 *
 * @param what the event, for a person: "the unit nginx.service".
 * @param attempt must give up when its signal is aborted.
 * @param seen says what there was instead, for the message when the time is over.
 * @throws WaitError when the time is over; the machine's end; the reason of an aborted signal; what `attempt` throws.
 */
export async function waitFor<T>(
  waiter: Waiter,
  what: string,
  options: WaitOptions,
  attempt: (signal: AbortSignal) => Promise<T>,
  seen?: () => string,
): Promise<T> {
  const record = waiter.recorder.wait(what)
  try {
    const result = await bounded(waiter, what, options, attempt, seen)
    record.end()
    return result
  } catch (error) {
    record.end(messageOf(error))
    throw error
  }
}

/** As {@link waitFor}, for what is no event of a test's own: it is not recorded. */
export async function bounded<T>(
  waiter: Omit<Waiter, 'recorder'>,
  what: string,
  { timeout = waiter.defaultTimeout, signal }: WaitOptions,
  attempt: (signal: AbortSignal) => Promise<T>,
  seen: () => string = () => '',
): Promise<T> {
  const over = new AbortController()
  const any = anySignal(over.signal, waiter.upset, endOf(waiter.ended), signal)
  const stopTimer = after(timeout, () => {
    const instead = seen()
    const why = `did not come within ${timeout} seconds${instead === '' ? '' : `, ${instead}`}`
    over.abort(failure(waiter, what, why))
  })
  try {
    any.throwIfAborted()
    return await Promise.race([attempt(any), whenAborted(any)])
  } catch (error) {
    // An attempt that was told to stop may throw an error of its own; the reason says more.
    throw any.aborted ? any.reason : error
  } finally {
    stopTimer()
    over.abort()
  }
}

/** Signals that are aborted when a machine ends. */
const ends = new WeakMap<Promise<Error>, AbortSignal>()

/** One signal for all waits on a machine: a callback for each wait would be kept as long as the machine lives. */
function endOf(ended: Promise<Error>): AbortSignal {
  const known = ends.get(ended)
  if (known !== undefined) return known
  const end = new AbortController()
  void ended.then((error) => end.abort(error))
  ends.set(ended, end.signal)
  return end.signal
}

/** The longest pause between two questions, in milliseconds. */
const LONGEST_PAUSE = 1000

/**
 * Asks again and again, first after 50 ms, then at growing intervals up to one second, until the answer is not
 * undefined.
 *
 * @param ask must give up when its signal is aborted.
 * @param seen says what the last answers were, for the message when the time is over.
 * @throws as {@link waitFor}.
 */
export function waitForAnswer<T>(
  waiter: Waiter,
  what: string,
  options: WaitOptions,
  ask: (signal: AbortSignal) => Promise<T | undefined>,
  seen: () => string,
): Promise<T> {
  const attempt = async (signal: AbortSignal): Promise<T> => {
    for (let interval = 50; ; interval = Math.min(interval * 1.5, LONGEST_PAUSE)) {
      const answer = await ask(signal)
      if (answer !== undefined) return answer
      await sleep(interval, undefined, { signal })
    }
  }
  return waitFor(waiter, what, options, attempt, seen)
}

/** What `text` has from `start` on that matches a pattern. A string matches itself only. */
export function find(text: string, pattern: RegExp | string, start = 0): string | undefined {
  if (typeof pattern === 'string') return text.includes(pattern, start) ? pattern : undefined
  // The pattern's own position is left alone: it says where a search before ended.
  const search = new RegExp(pattern.source, `${pattern.flags.replaceAll(/[gy]/g, '')}g`)
  search.lastIndex = start
  return search.exec(text)?.[0]
}

/** A pattern, for a person. */
export function patternText(pattern: RegExp | string): string {
  return pattern instanceof RegExp ? String(pattern) : `"${pattern}"`
}

/** Aborted when the first of several signals is. Undefined ones are left out. */
export function anySignal(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined))
}

/** Sleeps for a while, or until the signal is aborted if that is earlier. It does not keep the process alive. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal, ref: false })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** The timeout of a wait and of a command where the test gives none, in seconds. */
const DEFAULT_TIMEOUT = 900

/** An emulated guest takes longer for everything, and a test that would pass must not fail for that. */
const STRETCH: Readonly<Record<Accelerator, number>> = { kvm: 1, tcg: 3 }

/** The default timeout of waits and commands on a machine, in seconds. */
export function defaultTimeout(accelerator: Accelerator, seconds = DEFAULT_TIMEOUT): number {
  return seconds * STRETCH[accelerator]
}
