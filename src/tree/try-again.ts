import { ErrnoError, errno } from '../sys/errno.ts'
import type { Later } from './later.ts'

/**
 * An operation would have to wait for another program. It has done nothing that must not be done twice, so the
 * caller may ask again later. A caller that does not gets EAGAIN.
 */
export class TryAgain extends ErrnoError {
  /** Sets the timer until then. */
  readonly later: Later

  constructor(operation: string, later: Later) {
    super(errno.EAGAIN, operation)
    this.later = later
  }
}
