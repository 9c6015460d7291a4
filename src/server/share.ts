import type { Limits } from '../9p/session-limits.ts'
import type { SavedStream } from '../transport/stream/stream-session.ts'
import type { HostExport } from '../tree/host/host-exports.ts'
import type { SandboxMode } from './sandbox.ts'

/** Where an engine listens. */
export type Listen =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | VhostUserListen

/** A unix socket at which virtual machine monitors get a virtio 9P device; this end is the vhost-user backend. */
export interface VhostUserListen {
  readonly kind: 'vhost-user'
  readonly path: string
  /** The name by which a guest mounts it: 1 to 31 bytes of UTF-8, as for QEMU's own 9P device. */
  readonly tag: string
}

/** What one engine thread serves, and how. Plain data, since it is sent to the thread. */
export interface Served {
  readonly exports: readonly HostExport[]
  readonly limits: Limits
  readonly sandbox: SandboxMode
}

/** What an engine serves, and where. */
export interface Share extends Served {
  readonly listen: readonly Listen[]
  /**
   * Sessions to go on with: the first client at a place gets the first of those that were there. They are held (see
   * transport/hold.ts) until the engine is told to go on.
   */
  readonly resume?: readonly SavedConnection[]
}

/** A client's session as plain data, fit for JSON. */
export interface SavedConnection {
  /** Where the client was connected: an index of {@link Share.listen}. */
  readonly place: number
  readonly stream: SavedStream
}

/** What the thread is started with. The descriptors belong to the starter. */
export interface EngineStart {
  readonly served: Served
  /** Listening sockets, their places, and the sessions to be resumed there. */
  readonly sockets: readonly {
    readonly fd: number
    readonly listen: Listen
    readonly resume: readonly SavedStream[]
  }[]
  /** An eventfd: readable means "stop". */
  readonly stopFd: number
  /** An eventfd: readable means that there are commands. */
  readonly commandFd: number
}

/** What the starter asks of a thread that serves, each answered in turn; see transport/hold.ts. */
export type EngineCommand = 'hold' | 'save' | 'go on'

/** What the thread tells its starter. */
export type EngineMessage =
  | { readonly kind: 'serving' }
  /** The thread cannot start. Without an errno, `what` is a sentence about the sandbox. */
  | { readonly kind: 'failed'; readonly errno: number | null; readonly what: string }
  | { readonly kind: 'log'; readonly line: string }
  /** A client goes on where it was saved, without `lost` of its files. */
  | { readonly kind: 'resumed'; readonly lost: number }
  /** A command is done, with the sessions for `save`; or it is refused, and `why` is a part of a sentence. */
  | { readonly kind: 'done'; readonly saved: readonly SavedConnection[] }
  | { readonly kind: 'refused'; readonly why: string }
