import { ErrnoError } from '../sys/errno.ts'
import { checkName } from '../session/names.ts'
import { type SavedRange, lockAgain, openAgain, savedRange } from '../session/saved-files.ts'
import { flocksOf, locksOf } from '../tree/groups.ts'
import type { Lock, LockOwner } from '../tree/locks.ts'
import type { SavedNodes } from '../tree/tree.ts'
import type { KnownNode } from './nodes.ts'
import type { OpenHandle } from './open-files.ts'
import type { FuseSessionState } from './session-state.ts'
import { ROOT_ID } from './wire/limits.ts'

/** To be increased with every change of the format. */
const FORMAT = 1

/** A session as plain data, fit for JSON: see FuseSession.save and FuseSession.load. */
export interface SavedFuseSession {
  readonly format: typeof FORMAT
  /** What was agreed on at INIT; the flags in decimal. */
  readonly minor: number
  readonly flags: string
  /** The last node id and the last file handle that were given out. */
  readonly lastNode: number
  readonly lastHandle: number
  /** The nodes that the client knows, but for the root: ids and counts in the order of the nodes. */
  readonly nodes: SavedNodes
  readonly known: readonly (readonly [id: number, lookups: number])[]
  readonly files: readonly SavedHandle[]
}

/** An open file. */
export interface SavedHandle {
  readonly fh: number
  readonly node: number
  readonly flags: number
  readonly uid: number
  readonly locks: readonly SavedFuseLock[]
  readonly flocks: readonly SavedFuseLock[]
  /** See OpenFile.state. */
  readonly state?: string
}

export interface SavedFuseLock extends SavedRange {
  readonly owner: string
  readonly pid: number
}

/** The session as it is. Its requests under way are the transport's. Before INIT it is null. */
export function savedSession(session: FuseSessionState): SavedFuseSession | null {
  const { features, nodes, files } = session
  if (features.minor === 0) return null
  const known = [...nodes.all.values()].filter(({ id }) => id !== ROOT_ID)
  return {
    format: FORMAT,
    minor: features.minor,
    flags: String(features.flags),
    lastNode: nodes.last,
    lastHandle: files.last,
    nodes: session.tree.save(known.map(({ node }) => node)),
    known: known.map(({ id, lookups }) => [id, lookups]),
    files: [...files.all].map(([fh, handle]) => savedHandle(fh, handle)),
  }
}

function savedHandle(fh: number, { file, node, flags, uid }: OpenHandle): SavedHandle {
  const common = { fh, node: node.id, flags, uid }
  if (file.isDirectory) return { ...common, locks: [], flocks: [] }
  const state = file.state?.()
  return {
    ...common,
    locks: (file.locks?.held() ?? []).map(savedLock),
    flocks: (file.flocks?.held() ?? []).map(savedLock),
    ...(state !== undefined && { state }),
  }
}

function savedLock(lock: Lock): SavedFuseLock {
  const { clientId, pid = 0 } = lock.owner
  return { ...savedRange(lock), owner: clientId, pid }
}

/**
 * Gives a session that has attached the saved nodes and open files. A node is lost if its file has vanished, was replaced or has
 * changed; an open file too, if it may not be opened in that way any more, or another owner holds a lock that it held.
 *
 * @returns how many are lost. They are ESTALE.
 */
export function reviveSession(session: FuseSessionState, saved: SavedFuseSession): number {
  const revived = session.tree.revive(saved.nodes)
  let lost = 0
  const nodes: KnownNode[] = []
  for (const [index, node] of revived.entries()) {
    const [id, lookups] = saved.known[index] ?? [0, 0]
    if (node === null) lost++
    else if (id > ROOT_ID && !session.nodes.has(id)) nodes.push({ id, node, lookups })
    else node.release()
  }
  session.nodes.restore(nodes, saved.lastNode)
  for (const handle of saved.files) {
    if (reopen(session, handle)) continue
    session.files.lose(handle.fh)
    lost++
  }
  session.files.restoreLast(saved.lastHandle)
  return lost
}

/** @returns whether the handle stands for its file again. */
function reopen(session: FuseSessionState, saved: SavedHandle): boolean {
  const { fh, flags, uid, locks, flocks } = saved
  const ownerOf = ({ owner, pid }: SavedFuseLock): LockOwner => ({
    client: session.locks,
    clientId: owner,
    procId: 0,
    pid,
  })
  try {
    const node = session.nodes.get(saved.node)
    const file = openAgain(session.tree, node.node, saved, (opened) => {
      lockAgain(opened, locksOf, locks, ownerOf)
      lockAgain(opened, flocksOf, flocks, ownerOf)
    })
    session.files.restore(fh, { file, node, flags, uid })
    return true
  } catch (error) {
    if (error instanceof ErrnoError) return false
    throw error
  }
}

/** @throws Error with a sentence for what is no saved session. */
export function checkSaved(saved: unknown): SavedFuseSession | null {
  if (saved === null) return null
  const { format, known, files, nodes } = Object(saved) as Partial<SavedFuseSession>
  if (format !== FORMAT) {
    throw new Error(`the saved session has format ${String(format)}, and ${FORMAT} is known here`)
  }
  if (!Array.isArray(known) || !Array.isArray(files) || nodes === undefined) {
    throw new Error('the saved session is incomplete')
  }
  for (const { name, above } of nodes.places) if (above >= 0) checkPlace(name)
  return saved as SavedFuseSession
}

/** A place is looked up as a client's name is. */
function checkPlace(name: unknown): void {
  if (typeof name !== 'string') throw new Error('the saved session has a place without a name')
  checkName(name)
}
