import { ErrnoError, errno } from '../sys/errno.ts'
import { NAME_BYTES_MAX } from './wire/limits.ts'

/**
 * Checks that a name may be given to a file system: one component, not empty, not `.` or `..`. All names from
 * the wire are checked here and nowhere else.
 *
 * @throws EINVAL, or ENAMETOOLONG above 255 bytes.
 */
export function checkName(name: string): string {
  if (name.length > NAME_BYTES_MAX) throw new ErrnoError(errno.ENAMETOOLONG, 'name')
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw new ErrnoError(errno.EINVAL, 'name')
  }
  return name
}

/** Checks a name of Twalk. Only there `..` is allowed. */
export function checkStep(name: string): string {
  return name === '..' ? name : checkName(name)
}
