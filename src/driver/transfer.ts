import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { QemuMachine } from '../machine/qemu-machine.ts'
import { anySignal } from './any-signal.ts'
import type { Machine } from './machine.ts'
import { defaultTimeout } from './timeouts.ts'

/** What bounds a transfer. */
export interface TransferOptions {
  /** Seconds. Default: 900, thrice as many where the guest is emulated. */
  readonly timeout?: number
  /** Aborting it ends what is under way; what has arrived by then stays. */
  readonly signal?: AbortSignal
}

/** A script for the guest that takes or gives bytes. */
export interface Transfer<T> extends TransferOptions {
  readonly script: string
  /** What the script reads, taken as it reads it; gone afterwards. Default: nothing. */
  readonly input?: Readable
  /** Reads all that it writes. Default: nobody wants it. */
  readonly take?: (output: Readable) => Promise<T>
}

/** How a transfer ended. */
export interface Transferred<T> {
  /** As a shell gives it. */
  readonly exitStatus: number
  /** What it said on its standard error. */
  readonly complaint: string
  readonly taken: T | undefined
}

/**
 * Runs a script that moves bytes into or out of a guest. They may be any number: both sides wait for each other,
 * and nothing is kept.
 *
 * @throws what reading the input or `take` throws, MachineError when the machine ends first, Error when it takes
 *   too long. Nothing of it runs on then.
 */
export async function transfer<T = void>(
  machine: Machine,
  qemu: QemuMachine,
  { script, input, take, ...bounds }: Transfer<T>,
): Promise<Transferred<T>> {
  const { timeout = defaultTimeout(machine.accelerator), signal } = bounds
  const over = new AbortController()
  const timer = setTimeout(() => {
    over.abort(new Error(`${machine.name}: the transfer was ended after ${timeout} seconds.`))
  }, timeout * 1000)
  const any = anySignal(over.signal, machine.waiter.upset, signal)
  try {
    any.throwIfAborted()
    const guest = qemu.runScript(script, input ?? null)
    const end = (): void => guest.kill()
    any.addEventListener('abort', end, { once: true })
    // A destroyed stream is no reason of its own: that is said by the machine's end.
    const status = guest.exitStatus
    const output = take?.(guest.stdout) ?? Promise.resolve(void guest.stdout.resume())
    output.catch(end)
    input?.once('error', end)
    const [exited, taken, said] = await Promise.allSettled([status, output, text(guest.stderr)])
    any.removeEventListener('abort', end)
    any.throwIfAborted()
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
