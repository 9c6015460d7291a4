import { ErrnoError, errno } from '../sys/errno.ts'
import { NAME_BYTES_MAX, XATTR_NAME_MAX } from '../tree/limits.ts'

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

/**
 * Checks the name of an extended attribute.
 *
 * @throws ERANGE as xattr(7)'s calls for a name that is empty or too long, EINVAL for a name with a NUL.
 */
export function checkXattrName(name: string): string {
  if (name === '' || name.length > XATTR_NAME_MAX) throw new ErrnoError(errno.ERANGE, 'xattr name')
  if (name.includes('\0')) throw new ErrnoError(errno.EINVAL, 'xattr name')
  return name
}
