/** A tree is what a server can serve, in its own vocabulary, which no wire protocol is part of. */

import type { Payload } from '../sys/memory.ts'
import type {
  AttributeChanges,
  Attributes,
  FileIdentity,
  FileSystemStatistics,
} from './attributes.ts'
import type { Deferred } from './deferred.ts'
import type { DirectoryVisitor } from './directory.ts'
import type { Locks } from './locks.ts'

/** What a session's client may attach to: one tree, or several by their names. */
export interface Exports {
  /**
   * Where an attach begins. The node counts as used once, by the caller.
   *
   * @param name a byte string, as the client says it.
   * @throws ENOENT when it names nothing here.
   */
  attach(name: string): Attachment
}

/** A node, and the tree that decides what may be done with it and all that is reached from it. */
export interface Attachment {
  readonly tree: Tree
  readonly node: Node
}

/**
 * What a server can serve, in terms of no wire protocol: 9p/ makes qids and messages of what a tree says,
 * and another protocol can do the same. Implementations: a host directory (host/), a part of another tree
 * (view/), and files made of functions (synthetic/).
 *
 * These promises hold for all methods:
 * - They are synchronous, and one at a time for all sessions of a tree. What has to wait returns a
 *   {@link Deferred}.
 * - They throw an ErrnoError where the operation failed; then nothing has changed.
 * - Names are byte strings that the session has checked: not empty, not `.` or `..`, no `/` and no
 *   NUL, at most 255 bytes.
 * - The session has answered EROFS to every request that would change a read-only tree.
 *
 * A method that fills {@link Attributes} takes null from a caller that needs none. A node that a method
 * returns counts as used once, by the caller, who releases it.
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
   * The nodes that were saved, in their order. Null for a node that cannot be found again: no name leads to
   * it, its name means another file by now, or it is a regular file that has changed since.
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
  /** Tells the file from others that may lie there later. Each tree has its own format. */
  readonly identity: string
}

/** The owner of a new file: the attaching user, and the group that the client chose for it. */
export interface Owner {
  /** {@link NO_UID} when the client did not say. */
  readonly uid: number
  readonly gid: number
}

/** "No numeric user": what 9P calls P9_NONUNAME. */
export const NO_UID = 0xffffffff

/**
 * One file, directory or symlink, for as long as it is in use. The methods here are what every tree has;
 * groups of others are there where a tree can do them (groups.ts says what a client gets otherwise).
 *
 * The identity is that of the last {@link lookup}.
 */
export interface Node extends FileIdentity {
  /** What `type` says as well; some trees know this much sooner. */
  readonly isDirectory: boolean

  /** One more use of this node. */
  retain(): void
  /** One use less. The last one gives back what the node holds, which cannot fail. */
  release(): void

  /**
   * The node called `name` in this directory; `..` is the directory above, and the root itself at the root.
   *
   * @param attributes filled with the node's, from the same look at it.
   * @throws ENOENT, ENOTDIR, EACCES, …
   */
  lookup(name: string, attributes: Attributes | null): Node

  /** Fills `attributes` with the present ones, also of a file without a name. */
  getattr(attributes: Attributes): void
  /**
   * @param file the caller's open file of this node, if any.
   * @param uid the attaching user, {@link NO_UID} when the client did not say.
   */
  setattr(changes: AttributeChanges, file: OpenNode | null, uid: number): void
  statfs(): FileSystemStatistics

  /**
   * Opens a file or a directory for the attaching user `uid`.
   *
   * @param flags see openFlags in flags.ts.
   * @param state what {@link OpenFile.state} has said of the same file, in another process perhaps: the new
   *   one goes on there.
   * @throws ENXIO for anything that is neither: a guest never reaches a FIFO, a socket or a device.
   */
  open(flags: number, uid: number, state?: string): OpenNode

  /** The target of a symlink. @throws EINVAL when the node is none. */
  readlink?(): string
  readonly names?: Names | undefined
  readonly xattrs?: Xattrs | undefined
}

/** A directory's names: making, moving and removing them. */
export interface Names {
  /**
   * Creates a file in this directory and opens it. Without EXCL, what has the name already is opened.
   *
   * @param flags see openFlags in flags.ts.
   */
  create(
    name: string,
    flags: number,
    mode: number,
    owner: Owner,
    attributes: Attributes | null,
  ): { readonly node: Node; readonly file: OpenNode }
  mkdir(name: string, mode: number, owner: Owner, attributes: Attributes | null): Node
  /**
   * Makes a FIFO, a socket, a device or an empty file.
   *
   * @param mode with the S_IFMT bits.
   * @param device a device's number; ignored for all other types.
   * @throws EPERM for what this tree or its host does not let us make, EINVAL for a type that is none.
   */
  mknod(
    name: string,
    mode: number,
    device: DeviceNumber,
    owner: Owner,
    attributes: Attributes | null,
  ): Node
  symlink(name: string, target: string, owner: Owner, attributes: Attributes | null): Node
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
   * Where this node is now. Its directory counts as used once, by the caller.
   *
   * @throws EBUSY for the root, ESTALE when the node is no longer where it was reached.
   */
  place(): Place
}

export interface DeviceNumber {
  readonly major: number
  readonly minor: number
}

/** A name of a node. */
export interface Place {
  readonly directory: Node
  readonly name: string
}

/** The extended attributes of a node (xattr(7)). */
export interface Xattrs {
  /** The names, each with a NUL behind it. */
  listXattrs(): Uint8Array
  /** @throws ENODATA for a name that is not there. */
  getXattr(name: string): Uint8Array
  /** @param flags see xattrFlags in flags.ts: EEXIST, ENODATA; with 0 it does not matter whether it is there. */
  setXattr(name: string, value: Uint8Array, flags: number): void
  /** @throws ENODATA for a name that is not there. */
  removeXattr(name: string): void
}

/** A node that was opened. */
export type OpenNode = OpenFile | OpenDirectory

/** An open regular file. */
export interface OpenFile {
  readonly isDirectory: false
  /**
   * Fills `into` from `offset` on and returns how many bytes; 0 at the end of the file. Fewer bytes than
   * asked for do not mean the end: the client asks on. A deferred answer brings its own bytes, no more than
   * asked for.
   *
   * @param mayDefer whether the client may have one more request that waits.
   */
  read(offset: number, into: Payload, mayDefer: boolean): number | Deferred<Uint8Array>
  /**
   * Writes `from` at `offset` and returns how many of its bytes: fewer where no more found room, and
   * the client asks on for the rest. `from` is lent for the call.
   */
  write(offset: number, from: Payload): number | Deferred<number>
  fsync(dataOnly: boolean): void
  readonly locks?: Locks | undefined
  /** What has become of it since it was opened, where its answers depend on that. */
  state?(): string | undefined
  /** Also gives back the locks that were taken through this file; a wait for one ends with EBADF. */
  close(): void
}

/** An open directory. */
export interface OpenDirectory {
  readonly isDirectory: true
  /** Shows `visitor` the entries behind `cookie` until it has no room; 0 begins anew. No entries: the end. */
  readdir(cookie: bigint, visitor: DirectoryVisitor): void
  fsync(dataOnly: boolean): void
  close(): void
}
