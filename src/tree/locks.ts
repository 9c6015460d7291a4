import type { Deferred } from './deferred.ts'

/** Bytes of a file; `end` is the last one. Both are at most 2^63 - 1 (OFFSET_MAX). */
export interface LockRange {
  readonly start: bigint
  readonly end: bigint
}

/** Many may read, or one may write. */
export type LockType = 'read' | 'write'

/** One client's part in the locks of a tree: the tree counts them, the session sets the limit. */
export interface LockClient {
  /** Most ranges that it may hold at once. */
  readonly most: number
  held: number
  /** The error for one range more: an ENOLCK. */
  refusal(): Error
}

/** The owner of a lock: a process of a client. */
export interface LockOwner {
  readonly client: LockClient
  readonly clientId: string
  readonly procId: number
}

/** A range, how it is locked, and by which owner. */
export interface Lock extends LockRange {
  readonly type: LockType
  readonly owner: LockOwner
}

/** A lock of another owner's that is in the way. */
export interface LockHolder extends LockRange {
  readonly type: LockType
  readonly clientId: string
  readonly procId: number
}

/** The locks that are taken through one open file, as fcntl(2) has them. */
export interface Locks {
  /**
   * Locks a range; it replaces what its owner held of it before. Locks of other owners are in the way, be
   * they clients of this tree or programs of the host.
   *
   * @param wait whether to wait for the others ({@link Deferred}), in the order of asking.
   * @returns whether it was granted. False means "ask again": at once where `wait` is false, and after a
   *   while where it is true.
   * @throws ENOLCK when the client holds as many as it may, EDEADLK when waiting would never end.
   */
  lock(lock: Lock, wait: boolean): boolean | Deferred<boolean>
  /** Gives back what `owner` holds of a range. @throws ENOLCK where that splits one range too many. */
  unlock(range: LockRange, owner: LockOwner): void
  /** The first lock that is in the way of `lock`; undefined when it would be granted. */
  conflict(lock: Lock): LockHolder | undefined
  /** What is locked through this open file. */
  held(): readonly Lock[]
}
