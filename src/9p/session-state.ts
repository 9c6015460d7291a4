import type { LockClient } from '../tree/locks.ts'
import type { Exports } from '../tree/tree.ts'
import { AttributesReply } from './attributes-reply.ts'
import { SessionLocks, clientMemory } from '../session/client-memory.ts'
import { DeferredRequests } from '../session/deferred-requests.ts'
import { FidTable } from './fids.ts'
import { PostponedRequests } from './postponed.ts'
import { P9ReplyBuilder } from './reply-builder.ts'
import { detail } from '../util/error.ts'
import type { SessionLimits } from '../session/session-limits.ts'
import { XattrMemory } from './xattr-values.ts'

/** The state of a session. All handlers of requests work on it. */
export class SessionState {
  readonly exports: Exports
  readonly limits: SessionLimits
  readonly fids: FidTable
  /** The memory for values of extended attributes that are being read or written. */
  readonly xattrMemory: XattrMemory
  /** This session as a client of the tree's locks. */
  readonly locks: LockClient
  /** Agreed message size in bytes; 0 before Tversion. */
  msize = 0
  /** Requests whose reply is deferred. */
  readonly deferred: DeferredRequests
  /** Requests that are postponed until replies can leave again. */
  readonly postponed: PostponedRequests
  /** The reply to the request that is being carried out. */
  readonly reply = new P9ReplyBuilder()
  /** Each getattr fills it anew. */
  readonly attributes = new AttributesReply()
  protected readonly log: (line: string) => void

  constructor(exports: Exports, log: (line: string) => void, limits: SessionLimits) {
    this.exports = exports
    this.limits = limits
    const memory = clientMemory(exports, limits.memory)
    this.fids = new FidTable(limits.fids, memory)
    this.xattrMemory = new XattrMemory(limits.xattrBytes, memory)
    this.locks = new SessionLocks(limits.locks, memory)
    this.postponed = new PostponedRequests(memory)
    this.deferred = new DeferredRequests((tag, error) =>
      log(`the request with tag ${tag} could not be cancelled: ${detail(error)}`),
    )
    this.log = log
  }

  /** Whether the reply to one more request may be deferred. */
  get mayDefer(): boolean {
    return this.deferred.size < this.limits.parked
  }

  /** Closes all fids and forgets all requests, at Tversion and at the end of the connection. */
  reset(): void {
    this.postponed.clear()
    this.deferred.cancelAll()
    this.fids.clear((error) => this.log(`a fid could not be closed: ${detail(error)}`))
  }

  /** Forgets a request that waits. Its tag may be used again once Rflush is sent. */
  flush(tag: number): void {
    this.deferred.cancel(tag)
    this.postponed.forget(tag)
  }
}
