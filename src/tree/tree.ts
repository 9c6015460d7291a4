import type { Payload } from '../protocol/memory.ts'
import type { R, T } from '../protocol/messages.ts'
import type { Qid } from '../protocol/qid.ts'
import type { Writer } from '../protocol/cursor.ts'
import type { Parked } from './parked.ts'

/**
 * What a server can serve. Implementations: a host directory (host/) and files made of functions
 * (synthetic/).
 *
 * The promises that hold for all methods:
 * - They are synchronous, and one at a time for all sessions of a tree. What has to wait returns a
 *   {@link Parked}.
 * - They throw an ErrnoError where the operation failed; then nothing has changed.
 * - Names are byte strings that the session has checked: not empty, not `.` or `..`, no `/` and no
 *   NUL, at most 255 bytes.
 * - The session has answered EROFS to all that would change a read-only tree, and never asks
 *   for the entries of a file or the bytes of a directory.
 */
export interface Tree {
  /** Whether guests may change nothing here. */
  readonly readOnly: boolean
  /**
   * The node where an attach begins.
   *
   * @throws ENOENT when `aname` names nothing here.
   */
  attach(aname: string): Node
  /** Gives back what the tree itself holds; no method is called afterwards. */
  close(): void
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

  /** One more fid uses this node. */
  retain(): void
  /** A fid is gone. The last one gives back what the node holds. */
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
   * (protocol/flags.ts).
   *
   * @throws ENXIO for anything that is neither: a guest never reaches a FIFO, a socket or a device.
   */
  open(flags: number, uid: number): OpenFile
  /** Creates a file in this directory and opens it; the node is used once already. */
  create(name: string, flags: number, mode: number, owner: Owner): { node: Node; file: OpenFile }
  mkdir(name: string, mode: number, owner: Owner): Qid
  symlink(name: string, target: string, owner: Owner): Qid
  /** `name` in this directory becomes another name of `target`, a node of the same tree. */
  link(target: Node, name: string): void
  /** `oldName` here becomes `newName` in `directory`, a node of the same tree. */
  rename(oldName: string, directory: Node, newName: string): void
  /** Removes a name; `directory` says which of the two it must be (ENOTDIR, EISDIR). */
  unlink(name: string, directory: boolean): void
}

/** A node that was opened. */
export interface OpenFile {
  /**
   * Fills `into` from `offset` on and returns how many bytes: fewer than asked only at the end of
   * the file. A parked answer brings its own bytes, no more than asked.
   */
  read(offset: number, into: Payload): number | Parked<Uint8Array>
  /** Writes all of `from` at `offset` and returns how many bytes that were. `from` is lent for the call. */
  write(offset: number, from: Payload): number | Parked<number>
  /** Writes whole entries behind cookie `offset` while they fit; 0 begins anew. None: the end. */
  readdir(offset: bigint, to: Writer): void
  fsync(dataOnly: boolean): void
  close(): void
}
