import { ErrnoError, errno } from '../sys/errno.ts'
import { NAME_BYTES_MAX } from './wire/limits.ts'

/**
 * Checks that a name may be handed to a file system: one component, and none of the special ones. Every
 * name from the wire is checked here and nowhere else.
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

/** The same for a step of Twalk, where `..` has a meaning. */
export function checkStep(name: string): string {
  return name === '..' ? name : checkName(name)
}
