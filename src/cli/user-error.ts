import { ErrnoError } from '../sys/errno.ts'

/** What a user did or has cannot work; the message says what to do. It is printed without a stack. */
export class UserError extends Error {
  override readonly name = 'UserError'
}

/** Something took longer than the user allows. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut'
  /** As timeout(1) has it. */
  static readonly exitStatus = 124
  readonly exitStatus = TimedOut.exitStatus
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

/** `what` failed because of `error`, for a person. */
export function explain(what: string, error: unknown): UserError {
  const code = error instanceof ErrnoError ? error.code : (error as NodeJS.ErrnoException).code
  const reason = words[code ?? ''] ?? (error instanceof Error ? error.message : String(error))
  return new UserError(`${what}: ${reason}.`, { cause: error })
}
