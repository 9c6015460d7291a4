import { statSync } from 'node:fs'
import { ErrnoError, errno } from '../sys/errno.ts'
import { isSystemError } from '../util/error.ts'

/** What the user asked for cannot work. The message says why and what to do; it is printed without a stack. */
export class UserError extends Error {
  override readonly name = 'UserError'
}

/** Words for the errors that a path or an address of the user's may cause. */
const words: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or directory',
  ENOTDIR: 'it is not a directory',
  EACCES: 'this user has no permission for it',
  EPERM: 'this user has no permission for it',
  EADDRINUSE: 'another process is using it',
  ENAMETOOLONG: 'its path is too long',
  EINVAL: 'it is not something that can be served',
  EMFILE: 'too many files are open; raise the limit with `ulimit -n`',
}

/**
 * Explains why `what` failed.
 *
 * @param what the beginning of the message, such as `The root /x cannot be served`.
 * @returns a {@link UserError} for what the operating system refused. Any other error is a mistake in lowerdir and is
 *   returned as it is, so that its stack is seen.
 */
export function explain(what: string, error: unknown): unknown {
  if (!isSystemError(error)) return error
  const reason = words[error.code] ?? error.message
  return new UserError(`${what}: ${reason}.`, { cause: error })
}

/**
 * Makes sure that there is a directory at `path`.
 *
 * @param what its name for the user, such as `The root`.
 * @throws UserError
 */
export function checkDirectory(what: string, path: string): void {
  try {
    if (!statSync(path).isDirectory()) throw new ErrnoError(errno.ENOTDIR, path)
  } catch (error) {
    throw explain(`${what} ${path} cannot be served`, error)
  }
}
