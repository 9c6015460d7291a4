import type { GuestInit } from '../guest/init.ts'
import type { Accelerator } from '../machine/accelerator.ts'
import { MachineError } from '../machine/failure.ts'
import type { QemuMachine } from '../machine/qemu-machine.ts'
import type { Answering } from './answering.ts'
import { type Command, CommandError } from './command.ts'
import type { ExecOptions } from './exec.ts'
import { WaitError, type WaitOptions, type Waiter } from './waits/wait.ts'

/**
 * What the parts of the driver need of a machine under test. Each part is a function of a Guest, so that none of them
 * knows the class that tests use ({@link Machine} of machine.ts), which is made of all of them.
 */
export interface Guest extends Waiter {
  readonly init: GuestInit
  readonly accelerator: Accelerator
  readonly qemu: QemuMachine
  /** Whether the guest's agent answers. */
  readonly answering: Answering

  /** Runs a command. The result says how the command ended, whatever its exit status. */
  exec(
    command: string | readonly string[],
    options: ExecOptions & { readonly encoding: 'buffer' },
  ): Command<Buffer>
  exec(command: string | readonly string[], options?: ExecOptions): Command

  /** Runs a command that has to exit with 0, and resolves with its standard output. @throws CommandError otherwise. */
  succeed(command: string | readonly string[], options?: ExecOptions): Promise<string>

  /** Asks QEMU's monitor. @throws Error with QEMU's words; WaitError when it does not answer. */
  qmp(
    command: string,
    parameters?: Readonly<Record<string, unknown>>,
    options?: WaitOptions,
  ): Promise<unknown>

  /** Asks QEMU's monitor in the language for people, and resolves with the text of the answer. */
  hmp(commandLine: string, options?: WaitOptions): Promise<string>
}

/** Whether a command was given up for a reason that lies in the guest or in the test, and not for a bug of the driver. */
export function isGuestError(error: unknown): boolean {
  return (
    error instanceof CommandError || error instanceof MachineError || error instanceof WaitError
  )
}
