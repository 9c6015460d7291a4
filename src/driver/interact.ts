import { joinTerminal } from '../machine/join-terminal.ts'
import { rootEnvironment } from './exec.ts'
import type { RunningGuest } from './running-guest.ts'
import { OwnTerminal } from './terminal.ts'

/** The key that leaves {@link consoleInteract}, as in telnet(1): Ctrl-]. */
const ESCAPE = '\u001D'

/** How long a guest may take to answer before it gets a terminal, in seconds. */
const SHELL_TIMEOUT = 60

/** How many lines of the console are shown first. */
const CONSOLE_LINES = 20

/**
 * Connects this process's terminal to a shell of the guest, and resolves with the shell's exit status.
 *
 * @throws Error when this process has no terminal.
 */
export async function shellInteract(guest: RunningGuest): Promise<number> {
  const { name, qemu, parts } = guest
  using terminal = new OwnTerminal('shellInteract')
  // All keys go to the guest, so there is no way out of the shell of a guest that does not answer.
  await guest.exec(':', { timeout: SHELL_TIMEOUT, quiet: true })
  const argv = [
    '/bin/sh',
    '-c',
    '[ -x /bin/bash ] && SHELL=/bin/bash exec /bin/bash -l; exec /bin/sh -l',
  ]
  const term = process.env['TERM']
  const env = { ...(term === undefined ? {} : { TERM: term }), ...rootEnvironment, ...parts.env }
  terminal.output.write(`lowerdir: a shell of ${name}; Ctrl-D or \`exit\` leaves it.\n`)
  return await joinTerminal(qemu, { argv, env, cwd: '/' }, terminal)
}

/**
 * Connects this process's terminal to the guest's serial console, until Ctrl-] is typed or the machine ends.
 *
 * @throws Error when this process has no terminal.
 */
export async function consoleInteract({ name, qemu }: RunningGuest): Promise<void> {
  using terminal = new OwnTerminal('consoleInteract')
  const { input, output } = terminal
  const show = (text: string): void => void output.write(text)
  output.write(`lowerdir: the console of ${name}; Ctrl-] leaves it.\n`)
  output.write(qemu.console.text.split('\n').slice(-CONSOLE_LINES).join('\n'))
  const left = new Promise<void>((leave) => {
    input.setEncoding('utf8').on('data', (typed: string) => {
      const [keys = '', ...rest] = typed.split(ESCAPE)
      if (keys !== '') qemu.keyboard.write(keys)
      if (rest.length > 0) leave()
    })
  })
  input.setRawMode(true)
  qemu.console.on('chunk', show)
  try {
    await Promise.race([left, qemu.ended])
  } finally {
    qemu.console.off('chunk', show)
    input.setRawMode(false)
    output.write('\n')
  }
}
