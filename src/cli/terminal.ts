import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CommandLine, TerminalSize } from '../guest/agent.ts'
import type { QemuMachine } from '../machine/qemu-machine.ts'

/** The last bytes of a terminal take their own way, a little longer than the exit status. */
const LAST_BYTES = 100

/**
 * Joins this process's terminal to the guest's while a command runs there: keys go through as they
 * are, Ctrl-C included, and the guest knows the window's size.
 */
export async function joinTerminal(machine: QemuMachine, line: CommandLine): Promise<number> {
  const { stdin, stdout } = process
  const size = (): TerminalSize => ({ rows: stdout.rows || 24, columns: stdout.columns || 80 })
  const resize = (): void => machine.resizeTerminal(size())
  let guest: Duplex | undefined
  try {
    return await machine.runOnTerminal(line, size(), (terminal) => {
      guest = terminal
      if (stdin.isTTY) stdin.setRawMode(true)
      stdin.pipe(terminal, { end: false })
      terminal.pipe(stdout, { end: false })
      stdout.on('resize', resize)
    })
  } finally {
    await sleep(LAST_BYTES)
    stdout.off('resize', resize)
    if (guest !== undefined) stdin.unpipe(guest)
    if (stdin.isTTY) stdin.setRawMode(false)
  }
}
