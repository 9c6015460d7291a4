import { chmod } from '../../sys/files.ts'
import type { Credentials } from '../../sys/process.ts'
import { statx } from '../../sys/statx.ts'
import { mode as modes } from '../../9p/wire/flags.ts'

/**
 * A file that somebody else than root writes to loses its setuid and setgid bits, or whoever may
 * write to a program of root's would be root. The host's kernel sees to that unless the writer has
 * CAP_FSETID (setattr_should_drop_suidgid in fs/attr.c): a server of root's has it, while the guest's
 * user who writes through it is anybody. Guests' clients do not always ask for it by themselves.
 *
 * @param uid the guest's user.
 */
export function mustDropPrivileges(uid: number, { fsetid }: Credentials): boolean {
  return uid !== 0 && fsetid
}

/** Takes the bits from the file of `fd`, which need not be more than O_PATH. */
export function dropPrivileges(fd: number): void {
  const { mode } = statx(fd)
  const left = withoutPrivileges(mode)
  if (left !== mode) chmod(fd, left & modes.PERMISSIONS)
}

/** The mode of a file without these bits; only regular files have such. */
export function withoutPrivileges(mode: number): number {
  if ((mode & modes.TYPE) !== modes.FILE) return mode
  // Without the group's execute bit, setgid means mandatory locking.
  const setgid = (mode & modes.GROUP_EXECUTE) !== 0 ? modes.SETGID : 0
  return mode & ~(modes.SETUID | setgid)
}
