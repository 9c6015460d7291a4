import type { CommandLine } from '../guest/agent.ts'
import { joinTerminal } from '../machine/join-terminal.ts'
import type { QemuMachine } from '../machine/qemu-machine.ts'
import { OwnTerminal } from './terminal.ts'

/** What ends {@link consoleInteract}, as in telnet(1): Ctrl-]. */
const ESCAPE = '\u001D'

/** How much of the console's end is shown first. */
const CONSOLE_LINES = 20

/** Joins the terminal of whoever runs the tests to a shell of the guest, until that ends. */
export async function shellInteract(
  name: string,
  qemu: QemuMachine,
  line: Pick<CommandLine, 'env'>,
): Promise<number> {
  using terminal = new OwnTerminal('shellInteract')
  const argv = ['/bin/sh', '-c', '[ -x /bin/bash ] && exec /bin/bash -l; exec /bin/sh -l']
  const term = process.env['TERM']
  const env = { ...(term === undefined ? {} : { TERM: term }), ...line.env }
  terminal.output.write(`lowerdir: a shell of ${name}; Ctrl-D or \`exit\` leaves it.\n`)
  return await joinTerminal(qemu, { argv, env, cwd: '/' }, terminal)
}

/** Joins that terminal to the guest's serial console, until Ctrl-] is typed or the machine ends. */
export async function consoleInteract(name: string, qemu: QemuMachine): Promise<void> {
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
