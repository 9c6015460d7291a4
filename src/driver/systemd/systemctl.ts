import type { ExecResult } from '../command.ts'
import type { ExecOptions } from '../exec.ts'
import { type Guest, isGuestError } from '../guest.ts'
import type { WaitOptions } from '../waits/wait.ts'

/** Which systemd is asked, and how long its answer may take. */
export interface UnitOptions extends WaitOptions {
  /** A user of the guest: that user's systemd is asked. Default: the system's. */
  readonly user?: string | undefined
}

/** The options of a command that asks a user's systemd, or the system's. */
export function managerOptions(user: string | undefined): Pick<ExecOptions, 'user' | 'env'> {
  // exec() sets the variable for all users but root.
  return user === 'root' ? { env: { XDG_RUNTIME_DIR: '/run/user/0' } } : { user }
}

/**
 * Runs `systemctl`.
 *
 * @param query its arguments: a list, or text as a shell takes it.
 */
export async function systemctl(
  guest: Guest,
  query: string | readonly string[],
  { user, ...options }: UnitOptions & Pick<ExecOptions, 'quiet'> = {},
): Promise<ExecResult> {
  const flags = ['--no-pager', ...(user === undefined ? [] : ['--user'])]
  const command =
    typeof query === 'string'
      ? ['systemctl', ...flags, query].join(' ')
      : ['systemctl', ...flags, ...query]
  return guest.exec(command, { ...options, ...managerOptions(user) })
}

/** The output of `systemctl status`, with the end of the unit's journal. Empty where the guest cannot be asked. */
export async function unitStatus(
  guest: Guest,
  unit: string,
  { user, signal }: Pick<UnitOptions, 'user' | 'signal'>,
): Promise<string> {
  const query = ['status', '--full', '--lines=40', '--', unit]
  try {
    const bounds = { user, signal, timeout: 60, quiet: true }
    const { stdout, stderr } = await systemctl(guest, query, bounds)
    return `--- systemctl status ${unit}\n${stdout || stderr}`
  } catch (error) {
    if (!isGuestError(error)) throw error
    // The status only explains a failure, which is reported without it.
    return ''
  }
}
