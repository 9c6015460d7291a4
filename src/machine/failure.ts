import { stripVTControlCharacters } from 'node:util'
import { FAILED } from '../guest/init.ts'
import { printable } from '../util/printable.ts'
import type { QemuExit } from './qemu-process.ts'

/** An option asks for something that this host, QEMU, kernel or root does not have, or its value is out of range. */
export class OptionError extends RangeError {
  override readonly name = 'OptionError'
}

/** The machine ended early. */
export class MachineError extends Error {
  override readonly name = 'MachineError'
  /** The last lines of the guest's console, oldest first, as they can be printed. */
  readonly console: string

  constructor(reason: string, console: string) {
    super(printable(reason))
    this.console = printable(stripVTControlCharacters(console))
  }
}

/** The reason for the guest's end, if this line of the console gives one. */
export function reasonIn(line: string): string | undefined {
  const failed = line.indexOf(FAILED)
  if (failed >= 0) return `The guest gave up: ${line.slice(failed + FAILED.length)}.`
  const panic = /Kernel panic - not syncing: (.*)/.exec(line)?.[1]
  return panic === undefined ? undefined : `The guest's kernel panicked: ${panic}.`
}

const POWERED_OFF = 'The guest powered off.'

/** Other ends of a QEMU that exits with 0, by the reason of QMP's SHUTDOWN event. */
const ENDS: Readonly<Record<string, string>> = {
  'guest-reset': 'The guest rebooted.',
  'host-qmp-quit': 'QEMU was told to quit.',
}

/** Whether the guest itself has ended the machine. */
export function isShutdown({ message }: Error): boolean {
  return message === POWERED_OFF || message === ENDS['guest-reset']
}

/**
 * The reason of QEMU's end, for a guest that has not given one.
 *
 * @param shutdown the reason of QMP's SHUTDOWN event (ShutdownCause in qapi/run-state.json), if any.
 */
export function reasonOf({ code, signal, complaint }: QemuExit, shutdown: string): string {
  const locked = /Is another process using the image \[(.*)\]\?/.exec(complaint)?.[1]
  if (locked !== undefined) {
    return `The disk ${locked} is in use: by another machine, or another program that has locked it. Only one at a time may write to it.`
  }
  const words = complaint === '' ? '.' : `: ${complaint}`
  if (signal !== null) return `QEMU was ended by ${signal}${words}`
  if (code !== 0) return `QEMU ended with ${code}${words}`
  return ENDS[shutdown] ?? POWERED_OFF
}
