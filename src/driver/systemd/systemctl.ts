import type { ExecResult } from '../command.ts'
import type { ExecOptions } from '../exec.ts'
import type { Machine } from '../machine.ts'

/** Whose systemd is meant. */
export interface UserOption {
  /** A user of the guest, whose own systemd it is then. Default: the system's. */
  readonly user?: string | undefined
}

/** What a command is run with that asks a user's systemd, or the system's. */
export function managerOptions(user: string | undefined): Pick<ExecOptions, 'user' | 'env'> {
  // Commands of other users have it already.
  return user === 'root' ? { env: { XDG_RUNTIME_DIR: '/run/user/0' } } : { user }
}

/**
 * Runs `systemctl`.
 *
 * @param query its arguments: a list, or text as a shell takes it.
 */
export async function systemctl(
  machine: Machine,
  query: string | readonly string[],
  { user, ...options }: UserOption & Pick<ExecOptions, 'signal' | 'timeout' | 'quiet'> = {},
): Promise<ExecResult> {
  const flags = ['--no-pager', ...(user === undefined ? [] : ['--user'])]
  const command =
    typeof query === 'string'
      ? ['systemctl', ...flags, query].join(' ')
      : ['systemctl', ...flags, ...query]
  return machine.exec(command, { ...options, ...managerOptions(user) })
}

/** How a unit is, in systemd's words for people, with the end of its journal. */
export async function unitStatus(
  machine: Machine,
  unit: string,
  { user }: UserOption,
): Promise<string> {
  const query = ['status', '--full', '--lines=40', '--', unit]
  try {
    const { stdout, stderr } = await systemctl(machine, query, { user, timeout: 60, quiet: true })
    return `--- systemctl status ${unit}\n${stdout || stderr}`
  } catch {
    // It only explains a failure; that is known already.
    return ''
  }
}
