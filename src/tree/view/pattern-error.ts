/** A pattern that means nothing; the message says why. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
  /** What a system call would say. */
  readonly code = 'EINVAL'
}
