import { ErrnoError, errno } from '../sys/errno.ts'
import { lockTypes } from '../tree/flags.ts'
import type { LockType } from '../tree/locks.ts'

/** What a request asks for by a number; null for UNLCK. @throws EINVAL for an unknown number. */
export function lockType(number: number): LockType | null {
  if (number === lockTypes.RDLCK) return 'read'
  if (number === lockTypes.WRLCK) return 'write'
  if (number === lockTypes.UNLCK) return null
  throw new ErrnoError(errno.EINVAL, 'type of a lock')
}

/** The number of a lock's type, for replies. */
export function lockNumber(type: LockType): number {
  return type === 'read' ? lockTypes.RDLCK : lockTypes.WRLCK
}
