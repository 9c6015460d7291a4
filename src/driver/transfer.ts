import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Guest } from './guest.ts'
import { anySignal } from './waits/wait.ts'

/** The limits of a transfer of files. */
export interface TransferOptions {
  /** Seconds. Default: 900, three times as many where the guest is emulated. */
  readonly timeout?: number
  /** Aborting it ends the transfer. Bytes that have arrived stay. */
  readonly signal?: AbortSignal
}

/** A script for the guest that reads or writes bytes. */
export interface Transfer<T> extends TransferOptions {
  readonly script: string
  /** The script's standard input, read no faster than the script reads it and destroyed afterwards. Default: empty. */
  readonly input?: Readable
  /** Reads the script's standard output to its end. Default: the output is discarded. */
  readonly take?: (output: Readable) => Promise<T>
}

/** How a transfer ended. */
export interface Transferred<T> {
  /** The shell's exit status. */
  readonly exitStatus: number
  /** The script's standard error. */
  readonly complaint: string
  /** What `take` has resolved with. */
  readonly taken: T | undefined
}

/**
 * Runs a script that moves bytes into or out of a guest, in any amount: the streams have back pressure, and nothing is
 * kept in memory.
 *
 * @throws what reading the input or `take` throws; MachineError when the machine ends first; Error when the time is
 *   over. No process of the script runs on then.
 */
export async function transfer<T = void>(
  guest: Guest,
  { script, input, take, ...bounds }: Transfer<T>,
): Promise<Transferred<T>> {
  const { timeout = guest.defaultTimeout, signal } = bounds
  const over = new AbortController()
  const timer = setTimeout(() => {
    over.abort(new Error(`${guest.name}: the transfer was ended after ${timeout} seconds.`))
  }, timeout * 1000)
  const any = anySignal(over.signal, guest.upset, signal)
  try {
    any.throwIfAborted()
    const running = guest.qemu.runScript(script, input ?? null)
    const end = (): void => running.kill()
    any.addEventListener('abort', end, { once: true })
    const status = running.exitStatus
    const output = take?.(running.stdout) ?? Promise.resolve(void running.stdout.resume())
    output.catch(end)
    input?.once('error', end)
    const [exited, taken, said] = await Promise.allSettled([status, output, text(running.stderr)])
    any.removeEventListener('abort', end)
    any.throwIfAborted()
    // The machine's end comes first: it also destroys the streams, and their errors say nothing about why.
    if (exited.status === 'rejected') throw exited.reason
    if (input?.errored) throw input.errored
    if (taken.status === 'rejected') throw taken.reason
    const complaint = said.status === 'fulfilled' ? said.value : ''
    return { exitStatus: exited.value, complaint, taken: taken.value as T | undefined }
  } finally {
    clearTimeout(timer)
    input?.destroy()
  }
}
