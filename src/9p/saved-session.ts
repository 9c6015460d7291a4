import { ErrnoError, errno } from '../sys/errno.ts'
import { open } from './wire/flags.ts'
import type { Lock, LockType, Node, OpenFile, SavedNodes, Tree } from '../tree/tree.ts'
import { type SavedAttribute, reviveAttribute } from './xattr-values.ts'
import type { Attached, Fid, FidTable, Opened } from './fids.ts'
import type { SessionLimits } from './session-limits.ts'
import type { Session } from './session.ts'

/** Changes with every change of what is written down. */
const FORMAT = 1

/** A client's conversation as plain data, fit for JSON: see Session.save and Session.load. */
export interface SavedSession {
  readonly format: number
  readonly msize: number
  readonly attached: readonly SavedAttached[]
  /** Fids that stood for nothing already. */
  readonly lost: readonly number[]
  /** The frames of requests whose answer was still to come, in the order of asking, in base64. */
  readonly waiting: readonly string[]
}

/** A Tattach, and the fids that descend from it. */
export interface SavedAttached {
  readonly aname: string
  readonly uid: number
  /** What the fids stand for, in their order. */
  readonly nodes: SavedNodes
  readonly fids: readonly SavedFid[]
}

export interface SavedFid {
  readonly fid: number
  readonly opened?: SavedFile
  readonly attribute?: SavedAttribute
}

export interface SavedFile {
  readonly flags: number
  readonly locks: readonly SavedLock[]
  /** See OpenFile.state. */
  readonly state?: string
}

/** The numbers in decimal, since they have 64 bits. */
export interface SavedLock {
  readonly type: LockType
  readonly start: string
  readonly end: string
  readonly clientId: string
  readonly procId: number
}

/** @param waiting see {@link SavedSession.waiting}. */
export function savedSession(
  { msize, fids }: Pick<Session, 'msize' | 'fids'>,
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

/**
 * Whether a session with such limits can go on with it.
 *
 * @throws Error with a sentence that says why not.
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
 * Gives a session the fids that were saved. One whose file is not to be had is lost: it has vanished, is another,
 * has changed, may not be opened that way any more, or somebody else has locked what was locked.
 *
 * @returns how many are lost.
 */
export function reviveFids(session: Session, saved: SavedSession): number {
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

function savedFid(fid: number, { opened, attribute }: Fid): SavedFid {
  return {
    fid,
    ...(opened && { opened: savedFile(opened) }),
    ...(attribute && { attribute: attribute.save() }),
  }
}

function savedFile({ file, flags }: Opened): SavedFile {
  const state = file.state?.()
  return { flags, locks: file.locks().map(savedLock), ...(state !== undefined && { state }) }
}

function savedLock({ type, start, end, owner: { clientId, procId } }: Lock): SavedLock {
  return { type, start: String(start), end: String(end), clientId, procId }
}

function reviveAttached(session: Session, { aname, uid, nodes, fids }: SavedAttached): void {
  let tree: Tree
  let revived: (Node | null)[]
  try {
    const { node, tree: found } = session.exports.attach(aname)
    tree = found
    revived = tree.revive(nodes)
    node.release()
  } catch (error) {
    // There is no such export any more.
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

/** @returns whether the fid stands for it now; if not, the node is given back. */
function revive(session: Session, node: Node, attached: Attached, saved: SavedFid): boolean {
  const { fid, opened, attribute } = saved
  try {
    if (attribute !== undefined) {
      const value = reviveAttribute(node, attribute, session.attributes)
      session.fids.setAttribute(fid, node, attached, value)
    } else {
      session.fids.set(
        fid,
        node,
        attached,
        opened ? reopened(session, node, attached, opened) : null,
      )
    }
    return true
  } catch (error) {
    node.release()
    if (error instanceof ErrnoError) return false
    throw error
  }
}

/** @throws ErrnoError when it cannot be as it was. */
function reopened(
  session: Session,
  node: Node,
  { tree, uid }: Attached,
  { flags, locks, state }: SavedFile,
): Opened {
  if (tree.readOnly && (flags & open.ACCMODE) !== open.RDONLY) throw stale()
  // It was made and emptied when it was opened.
  const file = node.open(flags & ~(open.CREAT | open.EXCL | open.TRUNC), uid, state)
  try {
    for (const lock of locks) relock(session, file, lock)
  } catch (error) {
    file.close()
    throw error
  }
  return { file, flags }
}

/** @throws ESTALE when somebody else holds it by now: two may have come from one that was saved. */
function relock(
  session: Session,
  file: OpenFile,
  { type, start, end, clientId, procId }: SavedLock,
): void {
  const owner = { client: session.locks, clientId, procId }
  const granted = file.lock({ type, start: BigInt(start), end: BigInt(end), owner }, false)
  if (granted !== true) throw stale()
}

function stale(): ErrnoError {
  return new ErrnoError(errno.ESTALE, 'saved fid')
}
