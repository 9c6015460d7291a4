import type { SessionLimits } from '../../server/session.ts'
import type { HostPolicy } from '../../tree/host/policy.ts'

/** Where an engine listens. */
export type Listen =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

/** What one engine thread serves, and where. Plain data: it is sent to the thread. */
export interface Share extends HostPolicy {
  /** A directory of the host. */
  readonly directory: string
  readonly listen: readonly Listen[]
  readonly limits: SessionLimits
}

/** What the thread is started with. */
export interface EngineStart {
  readonly share: Share
  /** An eventfd: readable means "stop". It belongs to the starter. */
  readonly stopFd: number
}

/** What the thread tells its starter. */
export type EngineMessage =
  | { readonly kind: 'listening'; readonly listen: readonly Listen[] }
  | { readonly kind: 'failed'; readonly errno: number; readonly what: string }
  | { readonly kind: 'log'; readonly line: string }
