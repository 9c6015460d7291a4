import { ErrnoError, errno } from '../sys/errno.ts'
import { openFlags } from '../tree/flags.ts'
import type { Lock, LockOwner, LockType, Locks } from '../tree/locks.ts'
import type { Node, OpenFile, OpenNode, Tree } from '../tree/tree.ts'

/** A lock in a saved session, but for its owner. The numbers in decimal: they have 64 bits, which JSON's numbers do not. */
export interface SavedRange {
  readonly type: LockType
  readonly start: string
  readonly end: string
}

export function savedRange({ type, start, end }: Lock): SavedRange {
  return { type, start: String(start), end: String(end) }
}

/** How a file was open when its session was saved. */
export interface SavedOpen {
  readonly flags: number
  readonly uid: number
  /** See OpenFile.state. */
  readonly state?: string | undefined
}

/**
 * Opens a file of a saved session again.
 *
 * @param relock takes its locks, see {@link lockAgain}. Where it throws, the file is closed.
 * @throws ErrnoError when the file cannot be opened as before.
 */
export function openAgain(
  tree: Tree,
  node: Node,
  { flags, uid, state }: SavedOpen,
  relock: (file: OpenNode) => void,
): OpenNode {
  if (tree.readOnly && (flags & openFlags.ACCMODE) !== openFlags.RDONLY) throw stale()
  // The first open has already created and emptied the file.
  const { CREAT, EXCL, TRUNC } = openFlags
  const file = node.open(flags & ~(CREAT | EXCL | TRUNC), uid, state)
  try {
    relock(file)
  } catch (error) {
    file.close()
    throw error
  }
  return file
}

/**
 * Takes saved locks of a file again.
 *
 * @param locksIn its locks of one kind.
 * @throws ESTALE when another owner holds the lock by now: two sessions may come from one saved session.
 */
export function lockAgain<S extends SavedRange>(
  file: OpenNode,
  locksIn: (file: OpenFile) => Locks,
  saved: readonly S[],
  ownerOf: (saved: S) => LockOwner,
): void {
  for (const each of saved) {
    if (file.isDirectory) throw stale()
    const { type, start, end } = each
    const lock = { type, start: BigInt(start), end: BigInt(end), owner: ownerOf(each) }
    if (locksIn(file).lock(lock, false) !== true) throw stale()
  }
}

function stale(): ErrnoError {
  return new ErrnoError(errno.ESTALE, 'saved file')
}
