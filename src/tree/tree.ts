import type { Payload } from '../sys/memory.ts'
import type { R, T } from '../9p/wire/messages.ts'
import type { Qid } from '../9p/wire/qid.ts'
import type { Writer } from '../9p/wire/cursor.ts'
import type { Deferred } from './deferred.ts'

/** What a session's client may attach to: one tree, or several by their names. */
export interface Exports {
  /**
   * Where an attach begins; its node is used once already by the caller.
   *
   * @param aname a byte string, as the client says it.
   * @throws ENOENT when it names nothing here.
   */
  attach(aname: string): Attachment
}

/** A node, and the tree that decides what may be done with it and all that is reached from it. */
export interface Attachment {
  readonly tree: Tree
  readonly node: Node
}

/**
 * What a server can serve. Implementations: a host directory (host/) and files made of functions
 * (synthetic/).
 *
 * The promises that hold for all methods:
 * - They are synchronous, and one at a time for all sessions of a tree. What has to wait returns a
 *   {@link Deferred}.
 * - They throw an ErrnoError where the operation failed; then nothing has changed.
 * - Names are byte strings that the session has checked: not empty, not `.` or `..`, no `/` and no
 *   NUL, at most 255 bytes.
 * - The session has answered EROFS to all that would change a read-only tree, and never asks
 *   for the entries of a file or the bytes of a directory.
 */
export interface Tree extends Exports {
  /** Whether guests may change nothing here. */
  readonly readOnly: boolean
  /**
   * Where nodes of this tree are and which files they are, so that {@link Tree.revive} finds them, in
   * another process as well.
   */
  save(nodes: readonly Node[]): SavedNodes
  /**
   * The nodes that were saved, in their order, each used once by the caller. Null for one that is not to be
   * had: no name leads to it, its name means another file by now, or it is a regular file that has changed
   * since.
   */
  revive(saved: SavedNodes): (Node | null)[]
  /** Gives back what the tree itself holds; no method is called afterwards. */
  close(): void
}

/** Nodes of a tree as plain data, fit for JSON. */
export interface SavedNodes {
  /** Each behind the directory that it lies in. */
  readonly places: readonly SavedPlace[]
  /** For each node the index of its place; -1 where no name leads to it. */
  readonly nodes: readonly number[]
}

/** A name of a tree that was saved, and what lay there. */
export interface SavedPlace {
  /** The index of the directory; -1 for the root, which has no name. */
  readonly above: number
  /** A byte string. */
  readonly name: string
  /** What tells the file from others that may come to lie there: each tree's own affair. */
  readonly identity: string
}

/** Who creates a file: the attaching user, and the group that the client chose for it. */
export interface Owner {
  /** {@link NO_UID} when the client did not say. */
  readonly uid: number
  readonly gid: number
}

/** Tattach's n_uname for "no numeric user" (P9_NONUNAME). */
export const NO_UID = 0xffffffff

/** One file, directory or symlink, as long as somebody uses it. */
export interface Node {
  readonly qid: Qid
  /** What the qid's type says as well; reads and writes ask for this alone, and need no qid made for it. */
  readonly isDirectory: boolean

  /** One more fid uses this node. */
  retain(): void
  /** A fid is gone. The last one gives back what the node holds; there is nothing in it to fail. */
  release(): void

  /**
   * The node called `name` in this directory, used once already by the caller; `..` is the directory
   * above, and the root itself at the root.
   *
   * @throws ENOENT, ENOTDIR, EACCES, …
   */
  walk(name: string): Node

  /** The attributes, also of a file without a name. */
  getattr(mask: number): R<'getattr'>
  /**
   * Applies what `changes.valid` names.
   *
   * @param file the caller's open file of this node, if any.
   * @param uid the attaching user, {@link NO_UID} when the client did not say.
   */
  setattr(changes: T<'setattr'>, file: OpenFile | null, uid: number): void

  /** @throws EINVAL when the node is no symlink. */
  readlink(): string
  statfs(): R<'statfs'>

  /**
   * Opens a file or a directory for the attaching user `uid`. `flags` are the wire's
   * (9p/wire/flags.ts).
   *
   * @param state what {@link OpenFile.state} has said of the same file, in another process perhaps: it goes
   *   on there.
   * @throws ENXIO for anything that is neither: a guest never reaches a FIFO, a socket or a device.
   */
  open(flags: number, uid: number, state?: string): OpenFile
  /** Creates a file in this directory and opens it; the node is used once already. */
  create(name: string, flags: number, mode: number, owner: Owner): { node: Node; file: OpenFile }
  mkdir(name: string, mode: number, owner: Owner): Qid
  /**
   * Makes a FIFO, a socket, a device or an empty file. `mode` has the S_IFMT bits, `major` and `minor`
   * mean something to devices only.
   *
   * @throws EPERM for what this tree or its host does not let us make, EINVAL for a type that is none.
   */
  mknod(name: string, mode: number, major: number, minor: number, owner: Owner): Qid
  symlink(name: string, target: string, owner: Owner): Qid
  /** `name` in this directory becomes another name of `target`, a node of the same tree. */
  link(target: Node, name: string): void
  /**
   * `oldName` here becomes `newName` in `directory`, a node of the same tree; the node of that name
   * goes with it.
   */
  rename(oldName: string, directory: Node, newName: string): void
  /** Removes a name; `directory` says which of the two it must be (ENOTDIR, EISDIR). */
  unlink(name: string, directory: boolean): void
  /**
   * Where this node is now; its directory is used once already by the caller.
   *
   * @throws EBUSY for the root, ESTALE when the node is no longer where it was reached.
   */
  place(): Place

  /**
   * The names of the extended attributes (xattr(7)), each with a NUL behind it.
   *
   * @throws EOPNOTSUPP, this and the other three, where a tree has no attributes.
   */
  listXattrs(): Uint8Array
  /** @throws ENODATA for a name that is not there. */
  getXattr(name: string): Uint8Array
  /** @param flags XATTR_CREATE or XATTR_REPLACE (9p/wire/flags.ts): EEXIST, ENODATA; 0: both will do. */
  setXattr(name: string, value: Uint8Array, flags: number): void
  /** @throws ENODATA for a name that is not there. */
  removeXattr(name: string): void
}

/** A name of a node. */
export interface Place {
  readonly directory: Node
  readonly name: string
}

/** A node that was opened. */
export interface OpenFile {
  /**
   * Fills `into` from `offset` on and returns how many bytes; 0 at the end of the file. Fewer than
   * asked are no end yet: the client asks on. A parked answer brings its own bytes, no more than
   * asked.
   *
   * @param mayDefer whether the client may have one more request that waits.
   */
  read(offset: number, into: Payload, mayDefer: boolean): number | Deferred<Uint8Array>
  /**
   * Writes `from` at `offset` and returns how many of its bytes: fewer where no more found room, and
   * the client asks on for the rest. `from` is lent for the call.
   */
  write(offset: number, from: Payload): number | Deferred<number>
  /** Writes whole entries behind cookie `offset` while they fit; 0 begins anew. None: the end. */
  readdir(offset: bigint, to: Writer): void
  fsync(dataOnly: boolean): void

  /**
   * Locks a range as fcntl(2) does: whatever its owner held of it before is replaced. What others
   * hold stands in its way, be they clients of this tree or programs of the host.
   *
   * @param wait whether to wait for the others, {@link Deferred}, in the order of asking.
   * @returns whether it was granted. False is "ask again": at once where nobody waits, and after a while
   *   where somebody did.
   * @throws ENOLCK when the client holds as many as it may, EDEADLK when waiting would never end.
   */
  lock(lock: Lock, wait: boolean): boolean | Deferred<boolean>
  /** Gives back what `owner` holds of a range. @throws ENOLCK where that splits one too many. */
  unlock(range: LockRange, owner: LockOwner): void
  /** What stands in the way of `lock`, the first of it; undefined when it would be granted. */
  getlock(lock: Lock): LockHolder | undefined
  /** What is locked through this file. */
  locks(): readonly Lock[]
  /** What has become of it since it was opened, where its answers depend on that. */
  state?(): string | undefined
  /** Also gives back the locks that were taken through this file, and forgets who waits for one. */
  close(): void
}

/** Bytes of a file; `end` is the last one. Both are at most 2^63 - 1 (OFFSET_MAX). */
export interface LockRange {
  readonly start: bigint
  readonly end: bigint
}

/** Many may read, or one may write. */
export type LockType = 'read' | 'write'

/** One client's part in the locks of a tree: the tree counts, the session says where it ends. */
export interface LockClient {
  /** Most ranges that it may hold at once. */
  readonly most: number
  held: number
  /** What is thrown where that ends: an ENOLCK. */
  refusal(): Error
}

/** Who locks: a process of a client. */
export interface LockOwner {
  readonly client: LockClient
  readonly clientId: string
  readonly procId: number
}

export interface Lock extends LockRange {
  readonly type: LockType
  readonly owner: LockOwner
}

/** A lock of somebody else's. */
export interface LockHolder extends LockRange {
  readonly type: LockType
  readonly clientId: string
  readonly procId: number
}
