import { chmod } from '../../sys/files.ts'
import type { Credentials } from '../../sys/process.ts'
import { statx } from '../../sys/statx.ts'
import { modes } from '../flags.ts'

/**
 * Whether a write must take a file's setuid and setgid bits: if it did not, a user who may write to one of
 * root's programs could become root. The host's kernel takes them unless the writer has CAP_FSETID
 * (setattr_should_drop_suidgid in fs/attr.c). A server that runs as root has it, for guest's users who are
 * not root, and a guest's client does not always ask to have them taken.
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
