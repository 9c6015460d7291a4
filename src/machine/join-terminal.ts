import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ReadStream, WriteStream } from 'node:tty'
import type { CommandLine, TerminalSize } from '../guest/agent.ts'
import type { QemuMachine } from './qemu-machine.ts'

/** How long the terminal's last bytes may take, in milliseconds. They do not come in order with the exit status. */
const LAST_BYTES = 100

/** The host's terminal. One of the streams may be a pipe or a file. */
export interface HostTerminal {
  readonly input: ReadStream
  readonly output: WriteStream
}

/**
 * Joins the host's terminal to the guest's while a command runs there: all keys go to the guest, Ctrl-C included, and the
 * guest's terminal follows the window's size.
 *
 * @returns the command's exit status.
 */
export async function joinTerminal(
  machine: QemuMachine,
  line: CommandLine,
  { input, output }: HostTerminal,
): Promise<number> {
  const size = (): TerminalSize => ({ rows: output.rows || 24, columns: output.columns || 80 })
  const resize = (): void => machine.resizeTerminal(size())
  let guest: Duplex | undefined
  try {
    return await machine.runOnTerminal(line, size(), (terminal) => {
      guest = terminal
      if (input.isTTY) input.setRawMode(true)
      input.pipe(terminal, { end: false })
      terminal.pipe(output, { end: false })
      output.on('resize', resize)
    })
  } finally {
    await sleep(LAST_BYTES)
    output.off('resize', resize)
    if (guest !== undefined) {
      input.unpipe(guest)
      guest.unpipe(output)
    }
    if (input.isTTY) input.setRawMode(false)
  }
}
