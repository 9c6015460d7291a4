import { Readable } from 'node:stream'
import { BUSYBOX, commandScript, givePipesTo, surroundings } from '../guest/agent.ts'
import { quote } from '../util/shell.ts'

/** Options of a command in the guest. */
export interface ExecOptions {
  /** Variables of its environment, in addition to PATH, HOME, USER, LOGNAME, SHELL and the machine's own. */
  readonly env?: Readonly<Record<string, string>>
  /** Its current directory, an absolute path of the guest. Default: `/`. */
  readonly cwd?: string
  /** A user of the guest's /etc/passwd, who runs it. Default: root. */
  readonly user?: string | undefined
  /** Its standard input. Default: empty. */
  readonly stdin?: string | Uint8Array | Readable
  /**
   * Seconds until the command and all its children are killed; Infinity for no limit. Default: 900, three times as many
   * where emulated.
   */
  readonly timeout?: number | undefined
  /** Aborting it kills the command and all its children. */
  readonly signal?: AbortSignal | undefined
  /** `buffer` gives the output as bytes instead of text. Default: `utf8`. */
  readonly encoding?: 'utf8' | 'buffer'
  /**
   * The limit of the output of both streams, in bytes; a command with more is killed. A change from one stream to the
   * other counts as 128 bytes. Default: 64 MiB.
   */
  readonly maxOutput?: number
  /** Keeps the command out of the record. Default: false. */
  readonly quiet?: boolean
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The environment of root's commands. The shell is the one that runs them, as cron(8) has it. */
export const rootEnvironment: Readonly<Record<string, string>> = {
  PATH,
  HOME: '/root',
  USER: 'root',
  LOGNAME: 'root',
  SHELL: '/bin/sh',
}

/**
 * The script that runs a command: a string is for the shell, a list is a program and its arguments.
 *
 * The command of another user than root runs in a shell of that user, with the variables that lead to systemd's user
 * manager. busybox's su sets HOME, USER, LOGNAME and SHELL.
 */
export function execScript(
  command: string | readonly string[],
  { env = {}, cwd = '/', user }: ExecOptions,
): string {
  if (user !== undefined && user !== 'root') {
    const own = typeof command === 'string' ? command : command.map(quote).join(' ')
    const line = `${USER_MANAGER}\n${own}`
    const argv = [BUSYBOX, 'su', '-s', '/bin/sh', user, '-c', line]
    return givePipesTo(user) + commandScript({ argv, env: { PATH, ...env }, cwd })
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

/** The standard input of a command as a stream; null for an empty one. */
export function inputStream(stdin: ExecOptions['stdin']): Readable | null {
  if (stdin === undefined) return null
  if (typeof stdin === 'string' || stdin instanceof Uint8Array)
    return Readable.from([Buffer.from(stdin)])
  return stdin
}
