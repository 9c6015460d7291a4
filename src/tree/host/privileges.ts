import { chmod } from '../../sys/files.ts'
import type { Credentials } from '../../sys/process.ts'
import { statx } from '../../sys/statx.ts'
import { modes } from '../flags.ts'

/**
 * Whether the server has to clear a file's setuid and setgid bits at a write. Otherwise a user who may write
 * to a program of root's could become root. The host's kernel clears them unless the writer has CAP_FSETID
 * (setattr_should_drop_suidgid in fs/attr.c). A server that runs as root has it, also when it writes for
 * another user of the guest, and a guest's client does not always send a request to clear them.
 *
 * @param uid the guest's user.
 */
export function mustDropPrivileges(uid: number, { fsetid }: Credentials): boolean {
  return uid !== 0 && fsetid
}

/** Clears the bits of the file of `fd`. O_PATH is enough. */
export function dropPrivileges(fd: number): void {
  const { mode } = statx(fd)
  const left = withoutPrivileges(mode)
  if (left !== mode) chmod(fd, left & modes.PERMISSIONS)
}

/** The mode without these bits. Only for regular files they are cleared. */
export function withoutPrivileges(mode: number): number {
  if ((mode & modes.TYPE) !== modes.FILE) return mode
  // Without the group's execute bit, setgid means mandatory locking, and stays.
  const setgid = (mode & modes.GROUP_EXECUTE) !== 0 ? modes.SETGID : 0
  return mode & ~(modes.SETUID | setgid)
}
