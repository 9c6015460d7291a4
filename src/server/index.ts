/** Serves a directory of the host, or a tree of functions, over 9P2000.L. */

// A server of its own, with its sockets.
export type { Engine, EngineProcess } from './engine.ts'
export { startEngine } from './start.ts'
export { SandboxError, type SandboxMode } from './sandbox.ts'
export type {
  Listen,
  SavedConnection,
  Served,
  Share,
  VhostUserListen,
  VirtiofsListen,
} from './share.ts'
export type { Caching, FusePolicy } from '../fuse/caching.ts'

export type { Holdable } from '../transport/hold.ts'
export type { SavedStream } from '../transport/stream/stream-session.ts'
export type {
  SavedAttached,
  SavedFid,
  SavedFile,
  SavedLock,
  SavedSession,
} from '../9p/saved-session.ts'
export type { SavedXattr } from '../9p/xattr-values.ts'

// A connection that the caller has, such as a socket of Node's.
export { serveDuplex } from '../transport/stream/duplex.ts'
export { type Limits, type SessionLimits, defaultLimits } from '../session/session-limits.ts'

// What is served.
export { ExportError, type HostExport, HostExports } from '../tree/host/host-exports.ts'
export { HostTree } from '../tree/host/host-tree.ts'
export type { ColdReads } from '../tree/host/cold-reads.ts'
export type {
  IdRange,
  IdStep,
  IdTranslation,
  OwnerTranslation,
  Ownership,
} from '../tree/host/owners.ts'
export type { HostPolicy } from '../tree/host/policy.ts'
export { type ViewPatterns } from '../tree/view/sight.ts'
export { PatternError } from '../tree/view/glob.ts'
export { ViewTree } from '../tree/view/view-tree.ts'
export {
  constantFile,
  directory,
  type SyntheticDirectory,
  type SyntheticEntry,
  type SyntheticFile,
  type SyntheticHandle,
} from '../tree/synthetic/entry.ts'
export { SyntheticTree } from '../tree/synthetic/synthetic-tree.ts'
export {
  type AttributeChanges,
  Attributes,
  type FileIdentity,
  type FileSystemStatistics,
} from '../tree/attributes.ts'
export type * from '../tree/directory.ts'
export { entryTypes, modes, openFlags, xattrFlags } from '../tree/flags.ts'
export type * from '../tree/locks.ts'
export type * from '../tree/tree.ts'
export type { Later } from '../tree/later.ts'
export { Deferred, type Outcome } from '../tree/deferred.ts'
export type { FileTime } from '../sys/files.ts'
export { ErrnoError, type ErrnoName } from '../sys/errno.ts'
