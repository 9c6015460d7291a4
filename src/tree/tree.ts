/** A tree is what a server can serve, described in words of its own, which belong to no wire protocol. */

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

/** What a client may attach to: one tree, or several by their names. */
export interface Exports {
  /**
   * The node at which an attach begins, with one use that the caller has to release.
   *
   * @param name a byte string, as the client sends it. @throws ENOENT for a name that nothing has here.
   */
  attach(name: string): Attachment
}

/**
 * A node and its tree. The tree decides what may be done with the node, and with all that is reached from it.
 */
export interface Attachment {
  readonly tree: Tree
  readonly node: Node
}

/**
 * What a server can serve, independent of a wire protocol: 9p/ makes qids and messages of it, and another
 * protocol could do so too. Implementations: a host directory (host/), a part of another tree (view/), and
 * files made of functions (synthetic/).
 *
 * These promises hold for all methods:
 * - They are synchronous, and there is one call at a time for all sessions of a tree. If the answer has to
 * wait, they return a {@link Deferred}.
 * - They throw an ErrnoError when the operation failed; then nothing has changed.
 * - Names are byte strings that the session has checked: not empty, not `.` or `..`, no `/` and no NUL, at
 * most 255 bytes.
 * - The session has answered EROFS to every request that would change a read-only tree.
 *
 * A method that fills {@link Attributes} takes null from a caller that needs none. A node that a method
 * returns has one use, which the caller has to release.
 */
export interface Tree extends Exports {
  /** Whether guests may change nothing here. */
  readonly readOnly: boolean
  /** Whether nobody's permissions keep a file or directory here from being opened for reading. Default: false. */
  readonly opensAll?: boolean
  /**
   * The places of nodes of this tree, and what identifies their files. {@link Tree.revive} finds the nodes
   * again, also in another process.
   */
  save(nodes: readonly Node[]): SavedNodes
  /**
   * The saved nodes, in their order. Null for a node that cannot be found again: no name leads to it, its
   * name leads to another file by now, or it is a regular file that has changed since.
   */
  revive(saved: SavedNodes): (Node | null)[]
  /** Releases what the tree itself holds. It is the last call. */
  close(): void
}

/** Nodes of a tree as plain data, fit for JSON. */
export interface SavedNodes {
  /** Each place comes after that of its directory. */
  readonly places: readonly SavedPlace[]
  /** For each node the index of its place; -1 for a node that no name leads to. */
  readonly nodes: readonly number[]
}

/** The saved place of a file: a name in a directory. */
export interface SavedPlace {
  /** The index of the directory; -1 for the root, which has no name. */
  readonly above: number
  /** A byte string. */
  readonly name: string
  /** Identifies the file, since another file may have that name later. Each tree has its own format. */
  readonly identity: string
}

/** The owner of a new file: the user that attached, and the group that the client has chosen. */
export interface Owner {
  /** {@link NO_UID} if the client did not say. */
  readonly uid: number
  readonly gid: number
}

/** "No numeric user": 9P's P9_NONUNAME. */
export const NO_UID = 0xffffffff

/**
 * A file, directory or symlink that is in use. All trees have the methods here. Some trees also have groups
 * of further methods (groups.ts says what a client gets otherwise).
 *
 * The identity is that of the last {@link lookup}.
 */
export interface Node extends FileIdentity {
  /** The same as a check of `type`, but some trees know it much sooner. */
  readonly isDirectory: boolean
  /**
   * The same object for all nodes of this tree that stand for one file under one name, as long as one of them is in use. A
   * session that gives nodes numbers knows by it which of them it knows already.
   */
  readonly key: object
  /** Whether `other`, a node of this tree that was looked up just now, stands for the same file, maybe under another name. */
  isSameFile(other: Node): boolean

  /** Adds a use of this node. */
  retain(): void
  /** Drops a use. After the last one, the node gives back what it holds. This cannot fail. */
  release(): void

  /**
   * The node called `name` in this directory. `..` is the directory above; at the root it is the root.
   *
   * @param attributes is filled with the node's attributes, as of the same moment. @throws ENOENT, ENOTDIR,
   *   EACCES, …
   */
  lookup(name: string, attributes: Attributes | null): Node

  /** Fills `attributes` with the present ones, also for a file that has lost its name. */
  getattr(attributes: Attributes): void
  /**
   * @param file the caller's open file of this node, if any.
   * @param uid the user that attached, {@link NO_UID} if the client did not say.
   */
  setattr(changes: AttributeChanges, file: OpenNode | null, uid: number): void
  statfs(): FileSystemStatistics
  /** Writes all files of the file system to its disk (syncfs(2)). @throws EIO, ENOSPC, … */
  syncfs?(): void

  /**
   * Opens a file or a directory for the user `uid`, who attached.
   *
   * @param flags see openFlags in flags.ts.
   * @param state what {@link OpenFile.state} of the same file has returned, perhaps in another process. The
   *   new open file goes on from there.
   * @throws ENXIO for any other type: a guest never reaches a FIFO, a socket or a device.
   */
  open(flags: number, uid: number, state?: string): OpenNode

  /** The target of a symlink. @throws EINVAL for a node that is no symlink. */
  readlink?(): string
  readonly names?: Names | undefined
  readonly xattrs?: Xattrs | undefined
}

/** Changes of a directory's names: making, moving and removing them. */
export interface Names {
  /** Whether the tree gives new files the permissions of this directory's default ACL (acl(5)), where it has one. */
  readonly inheritsAcls?: boolean
  /**
   * Creates a file in this directory and opens it. Without EXCL, a file that has the name already is opened.
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
  /** Makes a file without a name in this directory and opens it (O_TMPFILE of open(2)). @throws EOPNOTSUPP as open(2). */
  tmpfile?(
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
   * @throws EPERM if this tree or its host does not allow it, EINVAL for an unknown type.
   */
  mknod(
    name: string,
    mode: number,
    device: DeviceNumber,
    owner: Owner,
    attributes: Attributes | null,
  ): Node
  symlink(name: string, target: string, owner: Owner, attributes: Attributes | null): Node
  /** Makes `name` in this directory another name of `target`, a node of the same tree. */
  link(target: Node, name: string): void
  /**
   * Renames `oldName` here to `newName` in `directory`, a node of the same tree. The node of the old name
   * then has the new one.
   *
   * @param flags see renameFlags in flags.ts. @throws EEXIST with NOREPLACE where `newName` exists; EINVAL for flags that
   *   this tree or its host's file system does not know.
   */
  rename(oldName: string, directory: Node, newName: string, flags?: number): void
  /**
   * Removes a name. `directory` says whether it must be a directory: ENOTDIR if it is none, EISDIR if it is
   * one and must not be.
   */
  unlink(name: string, directory: boolean): void
  /**
   * The present place of this node. The directory has one more use, which the caller has to release.
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
  /** @throws ENODATA for a name that does not exist. */
  getXattr(name: string): Uint8Array
  /** @param flags see xattrFlags in flags.ts: EEXIST, ENODATA. With 0, an xattr is created or replaced. */
  setXattr(name: string, value: Uint8Array, flags: number): void
  /** @throws ENODATA for a name that does not exist. */
  removeXattr(name: string): void
}

/** An open file or directory. */
export type OpenNode = OpenFile | OpenDirectory

/** What keeps an open file for later use, and can do without it. */
export interface Keeper {
  /** Whether the file is in no use now. */
  mayClose(): boolean
  /** Closes it. */
  close(): void
}

/** An open regular file. */
export interface OpenFile {
  readonly isDirectory: false
  /** From now on the tree may have `keeper` close this file, where it needs the descriptor for others. */
  lend?(keeper: Keeper): void
  /**
   * Fills `into` from `offset` on and returns how many bytes; 0 at the end of the file. Fewer bytes than
   * asked for do not mean the end: the client asks again. A deferred answer has bytes of its own, no more
   * than asked for.
   *
   * @param mayDefer whether the client may have one more deferred request.
   */
  read(offset: number, into: Payload, mayDefer: boolean): number | Deferred<Uint8Array>
  /**
   * Writes `from` at `offset` and returns how many of its bytes. There may be fewer when no more have room,
   * and the client asks again for the rest. `from` is valid during the call.
   *
   * @param dropsPrivileges whether the file's setuid and setgid bits have to be cleared. They may be anyway, by who has
   *   opened the file.
   */
  write(offset: number, from: Payload, dropsPrivileges?: boolean): number | Deferred<number>
  fsync(dataOnly: boolean): void
  /** Locks of fcntl(2), and of flock(2) for clients that do not tell the two apart. */
  readonly locks?: Locks | undefined
  /**
   * Locks of flock(2), for clients that tell them apart: they keep out each other and no locks of fcntl(2), as on a file
   * system of Linux's own.
   */
  readonly flocks?: Locks | undefined
  readonly space?: Space | undefined
  /** The state of this open file, if its answers depend on what has happened since the open. */
  state?(): string | undefined
  /** Also unlocks what was locked through this file. A request that waits for such a lock gets EBADF. */
  close(): void
}

/** The space that an open file takes on its disk: what it has of it, and what it shares. */
export interface Space {
  /**
   * fallocate(2).
   *
   * @param mode FALLOC_FL_* of linux/falloc.h. @throws EOPNOTSUPP for a mode that the file system does not have, ENOSPC, …
   */
  allocate(mode: number, offset: number, length: number): void
  /**
   * Where data or a hole begins, from `offset` on.
   *
   * @param whence SEEK_DATA or SEEK_HOLE of lseek(2). @throws ENXIO behind the end, EINVAL for another `whence`.
   */
  seek(offset: number, whence: number): number
  /**
   * Copies at most `length` bytes to another open file of this tree, without reading them (copy_file_range(2)).
   *
   * @returns how many bytes. @throws EXDEV or EOPNOTSUPP where the file system cannot: the client then copies them itself.
   */
  copyTo(offset: number, to: OpenFile, toOffset: number, length: number): number
}

/** An open directory. */
export interface OpenDirectory {
  readonly isDirectory: true
  /** As for {@link OpenFile}. */
  lend?(keeper: Keeper): void
  /**
   * Shows `visitor` the entries behind `cookie` until it has no room; 0 is the beginning. Without any entry,
   * it is the end.
   */
  readdir(cookie: bigint, visitor: DirectoryVisitor): void
  fsync(dataOnly: boolean): void
  close(): void
}
