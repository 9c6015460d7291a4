import { ROOT_ID } from '../../../src/fuse/wire/limits.ts'
import { type MessageName, type Row, messages } from '../../../src/fuse/wire/messages.ts'

/** What the client knows of a node. */
export interface KnownNode {
  readonly ino: bigint
  /** The S_IFMT bits. */
  readonly type: number
  /** The path that it was found at, relative to the export. After changes by the host it may be wrong. */
  readonly where: string
  /** How often it was told, and not forgotten. */
  lookups: number
}

/** What the client knows of a file handle. */
export interface KnownHandle {
  readonly nodeid: number
  readonly isDirectory: boolean
}

/** The client's side of a session: which nodes and file handles there are, and what they stand for. */
export class Model {
  readonly nodes = new Map<number, KnownNode>()
  readonly handles = new Map<number, KnownHandle>()
  /** All numbers that were given out, for they never stand for anything else. */
  readonly everNode = new Map<number, bigint>()
  readonly everHandle = new Set<number>()
  /** Whether INIT was answered. */
  hasBegun = false

  /** The session is over. */
  clear(): void {
    this.nodes.clear()
    this.handles.clear()
    this.hasBegun = false
  }

  /** INIT was answered: there is the root and nothing else. */
  begin(root: bigint, type: number): void {
    this.clear()
    this.hasBegun = true
    this.nodes.set(ROOT_ID, { ino: root, type, where: '', lookups: Infinity })
  }

  /** The client is told of a node. @returns what is wrong with that, if anything is. */
  told(nodeid: number, ino: bigint, type: number, where: string): string | undefined {
    const known = this.nodes.get(nodeid)
    if (known !== undefined) {
      if (known.ino !== ino || known.type !== type) {
        return `node ${nodeid} was inode ${known.ino} and is ${ino}`
      }
      known.lookups++
      return undefined
    }
    if (this.everNode.has(nodeid)) return `node ${nodeid} is given once more`
    this.everNode.set(nodeid, ino)
    this.nodes.set(nodeid, { ino, type, where, lookups: 1 })
    return undefined
  }

  forgotten(nodeid: number, count: number): void {
    const known = this.nodes.get(nodeid)
    if (known === undefined) return
    known.lookups -= count
    if (known.lookups <= 0) this.nodes.delete(nodeid)
  }

  /** @returns what is wrong with that, if anything is. */
  opened(fh: number, handle: KnownHandle): string | undefined {
    if (this.everHandle.has(fh)) return `file handle ${fh} is given once more`
    this.everHandle.add(fh)
    this.handles.set(fh, handle)
    return undefined
  }
}

/** Requests that are about the node in their header. The others are about an open file, or about none. */
export function isAboutNode(name: MessageName): boolean {
  const { T, R }: Row = messages[name]
  if (R === null || name === 'init' || name === 'destroy') return false
  return !('fh' in T) || name === 'setattr' || name === 'readdirplus'
}
