import { ErrnoError, errno } from '../sys/errno.ts'
import type { LockClient, LockHolder, LockOwner, LockRange, LockType } from '../tree/locks.ts'
import { LK_FLOCK, lock as wire } from './wire/flags.ts'
import type { R, T } from './wire/messages.ts'

const OFFSET_MAX = 0x7fff_ffff_ffff_ffffn

/** All bytes of a file. */
export const WHOLE: LockRange = { start: 0n, end: OFFSET_MAX }

/** @throws EINVAL for a range that ends before it begins, or lies beyond 2^63. */
export function lockRange({ start, end }: Pick<T<'setlk'>, 'start' | 'end'>): LockRange {
  if (end > OFFSET_MAX || start > end) throw new ErrnoError(errno.EINVAL, 'range of a lock')
  return { start, end }
}

/** Null for F_UNLCK. @throws EINVAL for an unknown type. */
export function lockType(type: number): LockType | null {
  if (type === wire.RDLCK) return 'read'
  if (type === wire.WRLCK) return 'write'
  if (type === wire.UNLCK) return null
  throw new ErrnoError(errno.EINVAL, 'type of a lock')
}

/** The owner of a lock of fcntl(2), or, with LK_FLOCK, of flock(2), which belongs to an open file. */
export function lockOwner(
  client: LockClient,
  { owner, flags, pid }: Pick<T<'setlk'>, 'owner' | 'flags' | 'pid'>,
): LockOwner {
  return (flags & LK_FLOCK) === 0 ? processOwner(client, owner, pid) : flockOwner(client, owner)
}

export function processOwner(client: LockClient, owner: bigint, pid = 0): LockOwner {
  return { client, clientId: owner.toString(16), procId: 0, pid }
}

export function flockOwner(client: LockClient, owner: bigint): LockOwner {
  return { client, clientId: `flock ${owner.toString(16)}`, procId: 0, pid: 0 }
}

/** The lock that conflicts with the request; without a conflict, the request's own range with F_UNLCK. */
export function getlkReply({ start, end }: T<'getlk'>, holder: LockHolder | undefined): R<'getlk'> {
  if (holder === undefined) return { start, end, type: wire.UNLCK, pid: 0 }
  const type = holder.type === 'read' ? wire.RDLCK : wire.WRLCK
  return { start: holder.start, end: holder.end, type, pid: holder.pid }
}
