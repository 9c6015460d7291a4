/**
 * Helpers that several rooms share and that know nothing of servers, guests or tests: errors, programs, sizes, shell
 * words and byte strings.
 */

/** A failure that the operating system reports: Node's errors of system calls, and `ErrnoError` of sys/. */
export interface SystemError extends Error {
  /** The errno's name: `ENOENT`. */
  readonly code: string
  readonly errno: number
}

/**
 * Whether the operating system has refused something, optionally with one of `codes`. Other errors, such as a
 * TypeError of Node with a `code` of its own, are mistakes in a program, and a catch has to let them pass.
 */
export function isSystemError(error: unknown, ...codes: readonly string[]): error is SystemError {
  if (!(error instanceof Error) || !('errno' in error) || !('code' in error)) return false
  if (typeof error.errno !== 'number' || typeof error.code !== 'string') return false
  return codes.length === 0 || codes.includes(error.code)
}

/**
 * For `catch()` of a promise: gives `value` where {@link isSystemError} holds for `codes`, and throws every other
 * error again.
 */
export function instead<T>(value: T, ...codes: readonly string[]): (error: unknown) => T {
  return (error) => {
    if (isSystemError(error, ...codes)) return value
    throw error
  }
}

/** What was thrown, in words: an error's message; the value itself where it is no error. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** An error for the log, with its stack. */
export function detail(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
