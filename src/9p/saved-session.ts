import { lockAgain, openAgain, savedRange } from '../session/saved-files.ts'
import { ErrnoError } from '../sys/errno.ts'
import type { Lock, LockType } from '../tree/locks.ts'
import { locksOf } from '../tree/groups.ts'
import type { Node, SavedNodes, Tree } from '../tree/tree.ts'
import { type SavedXattr, reviveXattr } from './xattr-values.ts'
import type { Attached, Fid, FidTable, Opened } from './fids.ts'
import type { SessionLimits } from '../session/session-limits.ts'
import type { SessionState } from './session-state.ts'

/** To be increased with every change of the format. */
const FORMAT = 1

/** A session as plain data, fit for JSON: see Session.save and Session.load. */
export interface SavedSession {
  readonly format: number
  readonly msize: number
  readonly attached: readonly SavedAttached[]
  /** Fids that were lost already before this save, see FidTable. */
  readonly lost: readonly number[]
  /** The frames of requests that were not answered yet, in the order in which they came, in base64. */
  readonly waiting: readonly string[]
}

/** A Tattach, and the fids that descend from it. */
export interface SavedAttached {
  readonly aname: string
  readonly uid: number
  /** The nodes of the fids, in the same order as the fids. */
  readonly nodes: SavedNodes
  readonly fids: readonly SavedFid[]
}

export interface SavedFid {
  readonly fid: number
  readonly opened?: SavedFile
  readonly attribute?: SavedXattr
}

export interface SavedFile {
  readonly flags: number
  readonly locks: readonly SavedLock[]
  /** See OpenFile.state. */
  readonly state?: string
}

/** The numbers in decimal: they have 64 bits, which JSON's numbers do not. */
export interface SavedLock {
  readonly type: LockType
  readonly start: string
  readonly end: string
  readonly clientId: string
  readonly procId: number
}

/** @param waiting see {@link SavedSession.waiting}. */
export function savedSession(
  { msize, fids }: Pick<SessionState, 'msize' | 'fids'>,
  waiting: readonly string[],
): SavedSession {
  return {
    format: FORMAT,
    msize,
    attached: savedAttached(fids),
    lost: [...fids.lost],
    waiting,
  }
}

/** A session after Tversion, in which nothing is attached yet. */
export function begunSession(msize: number): SavedSession {
  return { format: FORMAT, msize, attached: [], lost: [], waiting: [] }
}

/**
 * Checks that a session with these limits can take over a saved one.
 *
 * @throws Error with a sentence that gives the reason.
 */
export function checkSaved(
  { format, msize, attached, lost }: SavedSession,
  most: SessionLimits,
): void {
  if (format !== FORMAT) {
    throw new Error(
      `The session was saved by another version of lowerdir (its format is ${format}, and here it is ${FORMAT}).`,
    )
  }
  const fids = attached.reduce((sum, each) => sum + each.fids.length, lost.length)
  if (msize > most.msize || fids > most.fids) {
    throw new Error(
      `The saved session has an msize of ${msize} and ${fids} fids; ` +
        `here it may have ${most.msize} and ${most.fids}.`,
    )
  }
}

/**
 * Gives a session the saved fids. A fid is lost if its file has vanished, was replaced, has changed, or may
 * not be opened in that way any more, or if another owner has locked a range that it had locked.
 *
 * @returns how many are lost.
 */
export function reviveFids(session: SessionState, saved: SavedSession): number {
  for (const fid of saved.lost) session.fids.lose(fid)
  for (const attached of saved.attached) reviveAttached(session, attached)
  return session.fids.lost.size
}

function savedAttached(fids: FidTable): SavedAttached[] {
  const groups = new Map<Attached, (readonly [number, Fid])[]>()
  for (const entry of fids.all) {
    const { attached } = entry[1]
    const group = groups.get(attached)
    if (group === undefined) groups.set(attached, [entry])
    else group.push(entry)
  }
  return [...groups].map(([{ tree, aname, uid }, group]) => ({
    aname,
    uid,
    nodes: tree.save(group.map(([, { node }]) => node)),
    fids: group.map(([number, fid]) => savedFid(number, fid)),
  }))
}

function savedFid(fid: number, { opened, xattr }: Fid): SavedFid {
  return {
    fid,
    ...(opened && { opened: savedFile(opened) }),
    ...(xattr && { attribute: xattr.save() }),
  }
}

function savedFile({ file, flags }: Opened): SavedFile {
  if (file.isDirectory) return { flags, locks: [] }
  const state = file.state?.()
  const locks = file.locks?.held() ?? []
  return { flags, locks: locks.map(savedLock), ...(state !== undefined && { state }) }
}

function savedLock(lock: Lock): SavedLock {
  const { clientId, procId } = lock.owner
  return { ...savedRange(lock), clientId, procId }
}

function reviveAttached(session: SessionState, { aname, uid, nodes, fids }: SavedAttached): void {
  let tree: Tree
  let revived: (Node | null)[]
  try {
    const { node, tree: found } = session.exports.attach(aname)
    tree = found
    revived = tree.revive(nodes)
    node.release()
  } catch (error) {
    // The server has no export of this name any more.
    if (!(error instanceof ErrnoError)) throw error
    for (const { fid } of fids) session.fids.lose(fid)
    return
  }
  const attached = { tree, aname, uid }
  for (const [index, saved] of fids.entries()) {
    const node = revived[index] ?? null
    if (node === null || !revive(session, node, attached, saved)) session.fids.lose(saved.fid)
  }
}

/** @returns whether the fid stands for the node now. If not, the node is released. */
function revive(session: SessionState, node: Node, attached: Attached, saved: SavedFid): boolean {
  const { fid, opened, attribute } = saved
  try {
    if (attribute !== undefined) {
      const value = reviveXattr(node, attribute, session.xattrMemory)
      session.fids.setXattr(fid, node, attached, value)
    } else {
      const file = opened ? reopened(session, node, attached, opened) : null
      session.fids.set(fid, node, attached, file)
    }
    return true
  } catch (error) {
    node.release()
    if (error instanceof ErrnoError) return false
    throw error
  }
}

/** @throws ErrnoError when the file cannot be opened as before. */
function reopened(
  session: SessionState,
  node: Node,
  { tree, uid }: Attached,
  { flags, locks, state }: SavedFile,
): Opened {
  const file = openAgain(tree, node, { flags, uid, state }, (opened) =>
    lockAgain(opened, locksOf, locks, ({ clientId, procId }) => ({
      client: session.locks,
      clientId,
      procId,
    })),
  )
  return { file, flags }
}
