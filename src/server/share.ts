import type { FusePolicy } from '../fuse/caching.ts'
import type { Limits } from '../session/session-limits.ts'
import type { SavedStream } from '../transport/stream/stream-session.ts'
import type { HostExport } from '../tree/host/host-exports.ts'
import type { SandboxMode } from './sandbox.ts'

/** Where an engine listens. */
export type Listen =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | VhostUserListen
  | VirtiofsListen

/**
 * A unix socket at which virtual machine monitors get a virtio 9P device. The server is the vhost-user
 * backend.
 */
export interface VhostUserListen {
  readonly kind: 'vhost-user'
  readonly path: string
  /** The mount tag: 1 to 31 bytes of UTF-8, as for QEMU's own 9P device. */
  readonly tag: string
  /**
   * Whether the machine's memory may be a file that its VMM could truncate, which ends the server (SIGBUS). Default:
   * false, and such a VMM's connection is ended.
   */
  readonly unsealed?: boolean
}

/** A unix socket at which virtual machine monitors get a virtio file system device. The server is the vhost-user backend. */
export interface VirtiofsListen extends FusePolicy {
  readonly kind: 'virtiofs'
  /** The path of the socket. With {@link fd} it is for messages alone, and replaced by the one that the socket has. */
  readonly path: string
  /**
   * A listening unix socket that the starter already has, such as one of systemd's. The engine takes it over and closes it.
   * Its maker removes its file.
   */
  readonly fd?: number | undefined
  /**
   * The mount tag, 1 to 36 bytes of UTF-8, for front ends that ask the backend for it, see FsDeviceOptions.
   * QEMU has it on its command line.
   */
  readonly offersTag?: string | undefined
  /** As for {@link VhostUserListen}. */
  readonly unsealed?: boolean
}

/** What one engine serves, and how. Plain data, since it is sent to a process. */
export interface Served {
  readonly exports: readonly HostExport[]
  readonly limits: Limits
  readonly sandbox: SandboxMode
  /**
   * Whether to let no other client in once one is there, and to end when that one has gone. A connection over which nothing
   * was sent is no client: programs make one to see whether a server listens. Default: false.
   */
  readonly once?: boolean | undefined
}

/** What an engine serves, and where. */
export interface Share extends Served {
  readonly listen: readonly Listen[]
  /**
   * Whether each export has a process of its own, if there are several: one whose file system hangs, or that ends, then is
   * one export and not all. Default: false.
   *
   * A connection is then with one export. To attach to another one over it is EXDEV. With {@link Served.once}, or an address
   * `vhost-user`, whose device has one session for all exports, they are in one process.
   */
  readonly separate?: boolean
  /**
   * Sessions to resume: the first client at an address gets the first session that was saved there. They are
   * held (see transport/hold.ts) until the engine is told to go on.
   */
  readonly resume?: readonly SavedConnection[]
}

/** A client's session as plain data, fit for JSON. */
export interface SavedConnection {
  /** The address at which the client was connected: an index of {@link Share.listen}. */
  readonly place: number
  readonly stream: SavedStream
}

/** What a serving process is started with. */
export interface EngineStart {
  readonly served: Served
  /** Its listening sockets, as numbers of its own descriptors, their addresses, and the sessions to resume there. */
  readonly sockets: readonly {
    readonly fd: number
    readonly listen: Listen
    readonly resume: readonly Resumed[]
  }[]
  readonly passing?: Passing | undefined
}

/** A session to resume, or the route by which the client that has it is to be passed on, by its index. */
export type Resumed = SavedStream | { readonly route: number }

/** What a process has to do with others that serve the same addresses. All `fd` are its own descriptors. */
export type Passing =
  /** It accepts clients for the processes of the exports. */
  | {
      readonly kind: 'router'
      readonly routes: readonly { readonly fd: number; readonly name: string | null }[]
    }
  /** It serves one of the exports, and gets its clients from that process. */
  | {
      readonly kind: 'export'
      readonly fd: number
      /** The names of all exports, and the index of its own. */
      readonly names: readonly (string | null)[]
      readonly own: number
      /** The sessions of clients that come with none, in the order in which these connect to an address. */
      readonly resume: readonly SavedConnection[]
    }

/** The starter's commands to a process that serves. Each but `stop` is answered before the next; see transport/hold.ts. */
export type EngineCommand = 'hold' | 'save' | 'go on' | 'stop'

/** A serving process's messages to its starter. */
export type EngineMessage =
  | { readonly kind: 'serving' }
  /**
   * The process cannot start. Without an errno, `what` is a sentence about the sandbox. `index` is that of the export that
   * cannot be served; null where it is about none.
   */
  | {
      readonly kind: 'failed'
      readonly errno: number | null
      readonly what: string
      readonly index: number | null
    }
  | { readonly kind: 'log'; readonly line: string }
  /** The client of {@link Served.once} has gone. */
  | { readonly kind: 'left' }
  /** A session was resumed, without `lost` of its files. */
  | { readonly kind: 'resumed'; readonly lost: number }
  /** A command is done, with the sessions for `save`; or it is refused, and `why` is a part of a sentence. */
  | { readonly kind: 'done'; readonly saved: readonly SavedConnection[] }
  | { readonly kind: 'refused'; readonly why: string }

/**
 * The message that `value` is: JSON that a serving process has sent. That process is exposed to its clients, so nothing
 * is taken for granted. Sessions are checked when they are resumed (9p/saved-session.ts).
 *
 * @throws Error if it is no message.
 */
export function engineMessage(value: unknown): EngineMessage {
  const { kind, errno, what, index, line, lost, saved, why } = Object(value) as Record<
    string,
    unknown
  >
  if (kind === 'serving' || kind === 'left') return { kind }
  if (kind === 'log' && typeof line === 'string') return { kind, line }
  if (kind === 'resumed' && Number.isSafeInteger(lost)) return { kind, lost: Number(lost) }
  if (kind === 'done' && Array.isArray(saved)) return { kind, saved: saved as SavedConnection[] }
  if (kind === 'refused' && typeof why === 'string') return { kind, why }
  if (kind === 'failed' && typeof what === 'string') {
    const of = Number.isSafeInteger(index) ? Number(index) : null
    if (errno === null || typeof errno === 'number') return { kind, errno, what, index: of }
  }
  throw new Error(`the server has sent what is no message: ${JSON.stringify(value).slice(0, 100)}`)
}
