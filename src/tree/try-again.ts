import { ErrnoError, errno } from '../sys/errno.ts'
import type { Later } from './later.ts'

/**
 * An operation would have to wait for another program. It has done nothing that must not be done twice, so whoever has asked
 * for it may ask again later. Where nobody does, it is an EAGAIN.
 */
export class TryAgain extends ErrnoError {
  /** Sets the timer until then. */
  readonly later: Later

  constructor(operation: string, later: Later) {
    super(errno.EAGAIN, operation)
    this.later = later
  }
}
