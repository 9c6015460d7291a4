import type { Deferred } from './deferred.ts'

/** Bytes of a file; `end` is the last one. Both are at most 2^63 - 1 (OFFSET_MAX). */
export interface LockRange {
  readonly start: bigint
  readonly end: bigint
}

/** Many owners may hold a read lock of a byte, or one owner a write lock. */
export type LockType = 'read' | 'write'

/** A client of a tree's locks. The tree counts its ranges, the session sets the limit. */
export interface LockClient {
  /** The most ranges that it may hold at once. */
  readonly most: number
  held: number
  /** The error for one more range: an ENOLCK. */
  refusal(): Error
}

/** The owner of a lock: a process of a client. */
export interface LockOwner {
  readonly client: LockClient
  readonly clientId: string
  readonly procId: number
  /** The number of its process in the guest, for others to see, where that is not `procId`. */
  readonly pid?: number
}

/** A range, the type of its lock, and the owner. */
export interface Lock extends LockRange {
  readonly type: LockType
  readonly owner: LockOwner
}

/** The lock of another owner that conflicts with a request. */
export interface LockHolder extends LockRange {
  readonly type: LockType
  readonly clientId: string
  readonly procId: number
  /** The number of the owner's process in its guest; 0 if it is not known. */
  readonly pid: number
}

/** The locks that are taken through one open file, as fcntl(2) has them. */
export interface Locks {
  /**
   * Locks a range. It replaces the owner's locks in that range. Locks of other owners may conflict: those of
   * this tree's clients, and those of programs of the host.
   *
   * @param wait whether to wait for the others ({@link Deferred}), in the order in which requests came.
   * @returns whether it was granted. False means that the client has to ask again: at once without `wait`,
   *   after a while with `wait`.
   * @throws ENOLCK when the client holds as many ranges as it may, EDEADLK when waiting would never end.
   */
  lock(lock: Lock, wait: boolean): boolean | Deferred<boolean>
  /**
   * Gives back the locks of `owner` in a range. @throws ENOLCK if this would split a range and there would be
   * too many.
   */
  unlock(range: LockRange, owner: LockOwner): void
  /** The first lock that conflicts with `lock`; undefined if it would be granted. */
  conflict(lock: Lock): LockHolder | undefined
  /** The locks that are held through this open file. */
  held(): readonly Lock[]
}
