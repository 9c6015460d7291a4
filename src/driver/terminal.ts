import { closeSync, constants, openSync } from 'node:fs'
import { ReadStream, WriteStream } from 'node:tty'
import type { ChosenAccelerator } from '../machine/accelerator.ts'
import { printable } from '../util/printable.ts'

/** Whether the console and the log of each machine are printed as they come. */
export const isDebugging = (process.env['LOWERDIR_DEBUG'] ?? '') !== ''

/** Prints a line on standard error, for the person who runs the tests. */
export function say(line: string): void {
  // oxlint-disable-next-line no-restricted-properties -- the driver runs in the test's process, without cli.
  process.stderr.write(`lowerdir: ${printable(line)}\n`)
}

/** Accelerators that have been announced. */
const said = new Set<string>()

/** Says once whether guests run with KVM; loudly where they do not, since they are slow then. */
export function sayAccelerator({ accelerator, reason }: ChosenAccelerator): void {
  if (said.has(accelerator)) return
  said.add(accelerator)
  say(
    accelerator === 'kvm'
      ? `guests run with KVM: ${reason}.`
      : `NO KVM (${reason}): guests are emulated, 10 to 20 times slower. Default timeouts are three times as long.`,
  )
}

/** The environment variable with the path of the terminal, where this process is in another session. */
export const TERMINAL = 'LOWERDIR_TERMINAL'

/**
 * The terminal of the person who runs the tests. It is opened by its path, since test runners give their processes other
 * standard streams.
 */
export class OwnTerminal implements Disposable {
  readonly input: ReadStream
  readonly output: WriteStream

  /** @param what needs the terminal, for the message. @throws Error when this process has none. */
  constructor(what: string) {
    const path = process.env[TERMINAL] ?? '/dev/tty'
    const flags = constants.O_RDWR | constants.O_NOCTTY
    let descriptor: number
    try {
      descriptor = openSync(path, flags)
    } catch (cause) {
      const hint = 'Under `lowerdir test` it takes --shell-on-failure.'
      throw new Error(`${what} takes a terminal, and this process has none (${path}). ${hint}`, {
        cause,
      })
    }
    try {
      this.input = new ReadStream(descriptor)
      this.output = new WriteStream(openSync(path, flags))
    } catch (error) {
      closeSync(descriptor)
      throw error
    }
  }

  [Symbol.dispose](): void {
    this.input.destroy()
    this.output.destroy()
  }
}
