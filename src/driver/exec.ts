import { Readable } from 'node:stream'
import { BUSYBOX, commandScript, surroundings } from '../guest/agent.ts'
import { quote } from '../util/shell.ts'

/** How a command runs in the guest. */
export interface ExecOptions {
  /** Variables of its environment, beside PATH and HOME and the machine's own. */
  readonly env?: Readonly<Record<string, string>>
  /** Where it runs, an absolute path of the guest. Default: `/`. */
  readonly cwd?: string
  /** Who runs it: a user of the guest's /etc/passwd. Default: root. */
  readonly user?: string | undefined
  /** What it reads. Default: nothing. */
  readonly stdin?: string | Uint8Array | Readable
  /** Seconds until it is ended with all that it has started. Default: 900, thrice as many if emulated. */
  readonly timeout?: number
  /** Aborting it ends the command with all that it has started. */
  readonly signal?: AbortSignal
  /** Bytes as they are, instead of text. Default: `utf8`. */
  readonly encoding?: 'utf8' | 'buffer'
  /** Most bytes of output; a command with more is ended. Default: 64 MiB. */
  readonly maxOutput?: number
  /** Keep it out of the record. Default: false. */
  readonly quiet?: boolean
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** What root's commands find in their environment. */
export const rootEnvironment: Readonly<Record<string, string>> = { PATH, HOME: '/root' }

/**
 * The script for a command: text is a shell's, a list is a program and its arguments.
 *
 * Another user's command is a shell's of that user, with what systemd's user manager is reached by.
 */
export function execScript(
  command: string | readonly string[],
  { env = {}, cwd = '/', user }: ExecOptions,
): string {
  if (user !== undefined && user !== 'root') {
    const own = typeof command === 'string' ? command : command.map(quote).join(' ')
    const line = `${USER_MANAGER}\n${own}`
    const argv = [BUSYBOX, 'su', '-s', '/bin/sh', user, '-c', line]
    return commandScript({ argv, env: { PATH, ...env }, cwd })
  }
  const surrounding = { env: { ...rootEnvironment, ...env }, cwd }
  if (typeof command !== 'string') return commandScript({ argv: command, ...surrounding })
  return `${surroundings(surrounding)}${command}\n`
}

const USER_MANAGER = `runtime=/run/user/$(id -u)
if [ -d "$runtime" ]; then
  export XDG_RUNTIME_DIR="$runtime" DBUS_SESSION_BUS_ADDRESS="unix:path=$runtime/bus"
fi`

/** A command, for a person. */
export function commandText(command: string | readonly string[]): string {
  return typeof command === 'string' ? command : command.join(' ')
}

export function inputStream(stdin: ExecOptions['stdin']): Readable | null {
  if (stdin === undefined) return null
  if (typeof stdin === 'string' || stdin instanceof Uint8Array)
    return Readable.from([Buffer.from(stdin)])
  return stdin
}
