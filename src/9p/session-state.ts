import { errno } from '../sys/errno.ts'
import type { LockClient } from '../tree/locks.ts'
import type { Exports } from '../tree/tree.ts'
import { AttributesReply } from './attributes-reply.ts'
import { DeferredRequests } from './deferred-requests.ts'
import { FidTable } from './fids.ts'
import { PostponedRequests } from './postponed.ts'
import { ReplyBuilder } from './reply-builder.ts'
import { LimitError, type SessionLimits } from './session-limits.ts'
import { XattrMemory } from './xattr-values.ts'

/** What a session has for its client: all that the handlers of requests work on. */
export class SessionState {
  readonly exports: Exports
  readonly limits: SessionLimits
  readonly fids: FidTable
  /** For values of extended attributes on their way. */
  readonly xattrMemory: XattrMemory
  /** This session, to the locks of the tree. */
  readonly locks: LockClient
  /** Agreed message size in bytes; 0 before Tversion. */
  msize = 0
  /** Requests whose reply is deferred. */
  readonly deferred: DeferredRequests
  /** Requests that wait until replies can leave again. */
  readonly postponed = new PostponedRequests()
  /** The reply to the request under way. */
  readonly reply = new ReplyBuilder()
  /** Filled by each getattr. */
  readonly attributes = new AttributesReply()
  protected readonly log: (line: string) => void

  constructor(exports: Exports, log: (line: string) => void, limits: SessionLimits) {
    this.exports = exports
    this.limits = limits
    this.fids = new FidTable(limits.fids)
    this.xattrMemory = new XattrMemory(limits.xattrBytes)
    const refusal = (): Error => new LimitError('locks', errno.ENOLCK)
    this.locks = { most: limits.locks, held: 0, refusal }
    this.deferred = new DeferredRequests((tag, error) =>
      log(`the request with tag ${tag} could not be cancelled: ${detail(error)}`),
    )
    this.log = log
  }

  /** Whether the reply to one more request may be deferred. */
  get mayDefer(): boolean {
    return this.deferred.size < this.limits.parked
  }

  /** What Tversion and the end of a connection have in common: every fid is closed, every request forgotten. */
  reset(): void {
    this.postponed.clear()
    this.deferred.cancelAll()
    this.fids.clear((error) => this.log(`a fid could not be closed: ${detail(error)}`))
  }

  /** Forgets a request that waits; its tag may be used again once Rflush has gone out. */
  flush(tag: number): void {
    this.deferred.cancel(tag)
    this.postponed.forget(tag)
  }
}

/** An error for the log, with its stack. */
export function detail(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
