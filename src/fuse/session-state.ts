import { type ClientMemory, SessionLocks, clientMemory } from '../session/client-memory.ts'
import { type DeferredRequest, DeferredRequests } from '../session/deferred-requests.ts'
import type { SessionLimits } from '../session/session-limits.ts'
import { Attributes } from '../tree/attributes.ts'
import type { Later } from '../tree/later.ts'
import type { LockClient } from '../tree/locks.ts'
import type { Exports, Tree } from '../tree/tree.ts'
import { detail } from '../util/error.ts'
import { type CachingRules, type FusePolicy, cachingRules } from './caching.ts'
import { type Features, noFeatures } from './init.ts'
import { type KnownNode, NodeTable } from './nodes.ts'
import { OpenFiles } from './open-files.ts'
import { FuseReplyBuilder } from './reply-builder.ts'
import type { RequestHeader } from './wire/codec.ts'

/** A request whose reply is deferred, with what its reply needs. */
export interface FuseDeferred extends DeferredRequest {
  readonly header: RequestHeader
}

/** The state of a session. All handlers of requests work on it. */
export abstract class FuseSessionState {
  readonly policy: FusePolicy
  readonly limits: SessionLimits
  readonly caching: CachingRules
  readonly nodes: NodeTable
  readonly files: OpenFiles
  /** This session as a client of the tree's locks. */
  readonly locks: LockClient
  /** Requests whose reply is deferred, by their unique number. */
  readonly deferred: DeferredRequests<FuseDeferred>
  /** The reply to the request that is being carried out. */
  readonly reply = new FuseReplyBuilder()
  /** Filled anew for each request. */
  readonly attributes = new Attributes()
  /** Of the directory that something is made in, or of a file before it was changed. */
  readonly otherAttributes = new Attributes()
  /** What was agreed on at INIT; undefined before. */
  features: Features = noFeatures
  readonly exports: Exports
  protected readonly log: (line: string) => void
  #tree: Tree | undefined
  readonly #memory: ClientMemory

  constructor(
    exports: Exports,
    policy: FusePolicy,
    log: (line: string) => void,
    limits: SessionLimits,
    later?: Later,
  ) {
    this.exports = exports
    this.policy = policy
    this.limits = limits
    this.caching = cachingRules[policy.caching]
    this.#memory = clientMemory(exports, limits.memory)
    this.files = new OpenFiles(limits.fids, this.#memory)
    const onForgotten = (known: KnownNode): void => this.files.forget(known)
    this.nodes = new NodeTable(limits.fids, this.#memory, onForgotten, later)
    this.locks = new SessionLocks(limits.locks, this.#memory)
    this.deferred = new DeferredRequests((unique, error) =>
      log(`request ${unique} could not be cancelled: ${detail(error)}`),
    )
    this.log = log
  }

  /** The tree of this session. There is one from INIT on. */
  get tree(): Tree {
    if (this.#tree === undefined) throw new TypeError('no INIT yet')
    return this.#tree
  }

  /** Whether the reply to one more request may be deferred. */
  get mayDefer(): boolean {
    return this.deferred.size < this.limits.parked
  }

  /** Begins anew with the root of the tree. @throws ENOENT for an export that does not exist. */
  attach(): void {
    this.reset()
    const { tree, node } = this.exports.attach(this.policy.exportName ?? '')
    this.#tree = tree
    this.nodes.setRoot(node)
  }

  /** Answers a request that waits with EINTR, if it is still there. */
  abstract interrupt(unique: number): void

  /** Closes all files and forgets all nodes and requests, at INIT, DESTROY and the end of the connection. */
  reset(): void {
    this.deferred.cancelAll()
    this.files.clear()
    this.nodes.clear()
    this.features = noFeatures
    this.#tree = undefined
  }
}
