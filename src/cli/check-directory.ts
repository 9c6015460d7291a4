import { statSync } from 'node:fs'
import { ErrnoError, errno } from '../sys/errno.ts'
import { explain } from './user-error.ts'

/**
 * Whether there is a directory at `path`.
 *
 * @param what it is for the user, such as `The root`.
 * @throws UserError with a sentence that says so.
 */
export function checkDirectory(what: string, path: string): void {
  try {
    if (!statSync(path).isDirectory()) throw new ErrnoError(errno.ENOTDIR, path)
  } catch (error) {
    throw explain(`${what} ${path} cannot be served`, error)
  }
}
