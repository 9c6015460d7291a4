import { ErrnoError, errno } from '../sys/errno.ts'
import { flocksOf, locksOf } from '../tree/groups.ts'
import { lockNumber } from '../session/lock-types.ts'
import { OFFSET_MAX } from '../tree/limits.ts'
import type { LockClient, LockHolder, LockOwner, LockRange, Locks } from '../tree/locks.ts'
import type { OpenFile } from '../tree/tree.ts'
import { LK_FLOCK, lock as wire } from './wire/flags.ts'
import type { R, T } from './wire/messages.ts'

/** All bytes of a file. */
export const WHOLE: LockRange = { start: 0n, end: OFFSET_MAX }

/** @throws EINVAL for a range that ends before it begins, or lies beyond 2^63. */
export function lockRange({ start, end }: Pick<T<'setlk'>, 'start' | 'end'>): LockRange {
  if (end > OFFSET_MAX || start > end) throw new ErrnoError(errno.EINVAL, 'range of a lock')
  return { start, end }
}

/** The locks that a request is about: those of fcntl(2), or, with LK_FLOCK, those of flock(2). */
export function locksFor(file: OpenFile, flags: number): Locks {
  return (flags & LK_FLOCK) === 0 ? locksOf(file) : flocksOf(file)
}

/** The owner of a lock: a process, or, with flock(2), an open file. @param pid 0 if it is not known. */
export function lockOwner(client: LockClient, owner: bigint, pid = 0): LockOwner {
  return { client, clientId: owner.toString(16), procId: 0, pid }
}

/** The lock that conflicts with the request; without a conflict, the request's own range with F_UNLCK. */
export function getlkReply({ start, end }: T<'getlk'>, holder: LockHolder | undefined): R<'getlk'> {
  if (holder === undefined) return { start, end, type: wire.UNLCK, pid: 0 }
  const type = lockNumber(holder.type)
  return { start: holder.start, end: holder.end, type, pid: holder.pid }
}
