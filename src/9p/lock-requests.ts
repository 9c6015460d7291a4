import { ErrnoError, errno } from '../sys/errno.ts'
import { lock as wire } from './wire/flags.ts'
import { NAME_BYTES_MAX } from './wire/limits.ts'
import type { R, T } from './wire/messages.ts'
import { lockNumber } from '../session/lock-types.ts'
import { OFFSET_MAX } from '../tree/limits.ts'
import type { LockClient, LockHolder, LockOwner, LockRange } from '../tree/locks.ts'

/** The fields that Tlock and Tgetlock share. */
type Asked = Pick<T<'getlock'>, 'start' | 'length' | 'procId' | 'clientId'>

/**
 * The bytes that a request is about; a length of 0 means to the end of the file. @throws EINVAL beyond 2^63.
 */
export function lockRange({ start, length }: Asked): LockRange {
  const end = length === 0n ? OFFSET_MAX : start + length - 1n
  if (start > OFFSET_MAX || end > OFFSET_MAX) throw new ErrnoError(errno.EINVAL, 'range of a lock')
  return { start, end }
}

/** @throws ENAMETOOLONG for a client_id above 255 bytes, because it is kept as long as the lock. */
export function lockOwner(client: LockClient, { procId, clientId }: Asked): LockOwner {
  if (clientId.length > NAME_BYTES_MAX) throw new ErrnoError(errno.ENAMETOOLONG, 'client_id')
  return { client, procId, clientId }
}

/**
 * The lock that conflicts with the request. Without a conflict, the request's own fields with the type UNLCK.
 */
export function getlockReply(request: Asked, holder: LockHolder | undefined): R<'getlock'> {
  const { start, length, procId, clientId } = request
  if (holder === undefined) return { type: wire.UNLCK, start, length, procId, clientId }
  return {
    type: lockNumber(holder.type),
    start: holder.start,
    length: holder.end === OFFSET_MAX ? 0n : holder.end - holder.start + 1n,
    procId: holder.procId,
    clientId: holder.clientId,
  }
}
