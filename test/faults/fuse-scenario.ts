import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FusePolicy } from '../../src/fuse/caching.ts'
import {
  LK_FLOCK,
  RELEASE_FLOCK_UNLOCK,
  lock as types,
  setattr as bits,
} from '../../src/fuse/wire/flags.ts'
import { ROOT_ID } from '../../src/fuse/wire/limits.ts'
import { type MessageName, type R, messages } from '../../src/fuse/wire/messages.ts'
import { ErrnoError } from '../../src/sys/errno.ts'
import { type Payload, payloadBytes } from '../../src/sys/memory.ts'
import { modes, openFlags, renameFlags, xattrFlags } from '../../src/tree/flags.ts'
import type { HostPolicy } from '../../src/tree/host/policy.ts'
import { fieldsOf } from '../support/fuse/client.ts'
import { entriesIn, plusEntriesIn } from '../support/fuse/directory-entries.ts'
import { FuseProbe, type RawReply } from '../support/fuse/fuse-probe.ts'
import { type Asked, linuxInit, payload } from '../support/fuse/requests.ts'
import { Scene } from './run.ts'

/** Node ids and file handles by the names that {@link scenario} gives them. */
interface Known {
  readonly nodes: Map<string, number>
  readonly handles: Map<string, number>
}

/** One request of the session, which uses all operations once. */
export interface FuseRequest {
  readonly name: MessageName
  /** The node that it is about. */
  readonly at: string
  /** The fields; what the numbers are is known when it is sent. */
  fields(node: (name: string) => number, handle: (name: string) => number): never
  /** What the node and the handle in the reply are called from then on. */
  readonly as?: string
  readonly uid?: number
  /** The unique number. It matters for a request that may wait, or that is interrupted. */
  readonly unique: number
}

type Number = (name: string) => number

function request<M extends MessageName>(
  name: M,
  at: string,
  fields: (node: Number, handle: Number) => Asked<M> = () => ({}),
  more: Partial<Pick<FuseRequest, 'as' | 'uid' | 'unique'>> = {},
): FuseRequest {
  return { name, at, fields: fields as FuseRequest['fields'], unique: 1, ...more }
}

const { RDWR, RDONLY, TRUNC } = openFlags
const { RDLCK, WRLCK, UNLCK } = types
/** FALLOC_FL_KEEP_SIZE, and SEEK_DATA. */
const [KEEP_SIZE, SEEK_DATA] = [1, 3]

const lookup = (at: string, name: string): FuseRequest =>
  request('lookup', at, () => ({ name }), { as: name })
const open = (at: string, as: string, flags: number = RDWR, uid = 0): FuseRequest =>
  request('open', at, () => ({ flags }), { as, uid })
const read = (at: string, of: string): FuseRequest =>
  request('read', at, (_node, handle) => ({ fh: handle(of), size: 100 }))
const release = (at: string, of: string, releaseFlags = 0): FuseRequest =>
  request('release', at, (_node, handle) => ({ fh: handle(of), releaseFlags, lockOwner: 1n }))
const setattr = (at: string, changes: Asked<'setattr'>): FuseRequest =>
  request('setattr', at, () => changes)

function lock(
  name: 'setlk' | 'setlkw' | 'getlk',
  of: string,
  owner: bigint,
  type: number,
  [start, end]: readonly [bigint, bigint],
  { unique = 1, flags = 0 } = {},
): FuseRequest {
  const range = { owner, type, start, end, flags }
  return request(name, 'file', (_node, handle) => ({ fh: handle(of), ...range }), { unique })
}

const LAST = (1n << 63n) - 1n

function fill(directory: string): void {
  mkdirSync(join(directory, 'dir', 'inner'), { recursive: true })
  writeFileSync(join(directory, 'dir', 'inner', 'deep'), 'content')
  writeFileSync(join(directory, 'file'), 'file')
  linkSync(join(directory, 'file'), join(directory, 'twin'))
  symlinkSync('file', join(directory, 'link'))
}

const root = 'root'

/** Every request of FUSE's table, on every type of file that it treats differently. */
const scenario: readonly FuseRequest[] = [
  request('init', root, () => linuxInit),
  // A file, and all requests on it while it is open.
  lookup(root, 'dir'),
  lookup('dir', 'inner'),
  lookup('inner', 'deep'),
  request('getattr', 'deep'),
  request('statx', 'deep'),
  open('deep', 'open'),
  read('deep', 'open'),
  request('write', 'deep', (_node, handle) => ({
    fh: handle('open'),
    offset: 3,
    data: payload('written'),
  })),
  request('fsync', 'deep', (_node, handle) => ({ fh: handle('open') })),
  request('fsync', 'deep', (_node, handle) => ({ fh: handle('open'), flags: 1 })),
  request('setattr', 'deep', (_node, handle) => ({
    valid: bits.SIZE | bits.FH,
    size: 5,
    fh: handle('open'),
  })),
  read('deep', 'open'),
  request('fallocate', 'deep', (_node, handle) => ({
    fh: handle('open'),
    length: 100,
    mode: KEEP_SIZE,
  })),
  request('lseek', 'deep', (_node, handle) => ({ fh: handle('open'), whence: SEEK_DATA })),
  // The same on a file that is not open, and to another.
  lookup(root, 'file'),
  setattr('file', { valid: bits.SIZE, size: 3 }),
  setattr('file', { valid: bits.MODE | bits.UID | bits.GID, mode: 0o640, uid: 12, gid: 34 }),
  setattr('file', { valid: bits.MTIME, mtimeSec: 5, mtimeNsec: 6 }),
  request('statfs', 'file'),
  open('file', 'second', RDWR, 12),
  request('copyFileRange', 'deep', (node, handle) => ({
    fh: handle('open'),
    nodeidOut: node('file'),
    fhOut: handle('second'),
    offsetOut: 1,
    length: 2,
  })),
  read('file', 'second'),
  release('file', 'second'),
  release('deep', 'open'),
  // Directories.
  request('opendir', 'dir', undefined, { as: 'list' }),
  request('readdir', 'dir', (_node, handle) => ({ fh: handle('list'), size: 4096 })),
  request('readdirplus', 'dir', (_node, handle) => ({ fh: handle('list'), size: 4096 })),
  request('fsyncdir', 'dir', (_node, handle) => ({ fh: handle('list') })),
  request('releasedir', 'dir', (_node, handle) => ({ fh: handle('list') })),
  request('syncfs', root),
  lookup('inner', '..'),
  // Requests that make files.
  request('create', 'dir', () => ({ name: 'made', flags: RDWR, mode: 0o6755 }), {
    as: 'made',
    uid: 12,
  }),
  request('write', 'made', (_node, handle) => ({
    fh: handle('made'),
    data: payload('of the new file'),
  })),
  read('made', 'made'),
  release('made', 'made'),
  request('mkdir', 'dir', () => ({ name: 'directory', mode: 0o41777 }), { as: 'directory' }),
  request('symlink', 'dir', () => ({ name: 'symlink', target: 'target' }), { as: 'symlink' }),
  request('readlink', 'symlink'),
  request('mknod', 'dir', () => ({ name: 'fifo', mode: modes.FIFO | 0o640 }), { as: 'fifo' }),
  request('link', 'dir', (node) => ({ oldnodeid: node('made'), name: 'linked' }), {
    as: 'linked',
  }),
  request('tmpfile', 'dir', () => ({ flags: RDWR, mode: 0o4640 }), { as: 'nameless', uid: 12 }),
  request('link', 'dir', (node) => ({ oldnodeid: node('nameless'), name: 'named' }), {
    as: 'named',
  }),
  release('nameless', 'nameless'),
  // Requests that move and remove them.
  request('rename', 'dir', (node) => ({
    newdir: node(root),
    oldname: 'linked',
    newname: 'renamed',
  })),
  request('rename2', 'dir', (node) => ({
    newdir: node(root),
    flags: renameFlags.EXCHANGE,
    oldname: 'directory',
    newname: 'file',
  })),
  request('rename2', 'dir', (node) => ({
    newdir: node(root),
    flags: renameFlags.NOREPLACE,
    oldname: 'fifo',
    newname: 'moved',
  })),
  request('rename2', 'dir', (node) => ({
    newdir: node('dir'),
    flags: renameFlags.WHITEOUT,
    oldname: 'symlink',
    newname: 'shifted',
  })),
  request('rename', 'dir', (node) => ({
    newdir: node(root),
    oldname: 'named',
    newname: 'renamed',
  })),
  request('getattr', 'nameless'),
  request('unlink', root, () => ({ name: 'moved' })),
  request('unlink', 'dir', () => ({ name: 'symlink' })),
  request('rmdir', root, () => ({ name: 'file' })),
  request('rename', 'dir', (node) => ({
    newdir: node(root),
    oldname: 'directory',
    newname: 'file',
  })),
  // Truncated by a user who is not root, which clears a setuid bit.
  request('create', 'dir', () => ({ name: 'suid', flags: RDWR, mode: 0o4755 }), { as: 'suid' }),
  release('suid', 'suid'),
  open('suid', 'cut', RDWR | TRUNC, 12),
  release('suid', 'cut'),
  // Extended attributes.
  request('setxattr', 'suid', () => ({
    name: 'user.a',
    value: payload('value'),
    flags: xattrFlags.CREATE,
  })),
  request('getxattr', 'suid', () => ({ name: 'user.a', size: 100 })),
  request('getxattr', 'suid', () => ({ name: 'user.a' })),
  request('listxattr', 'suid', () => ({ size: 100 })),
  request('removexattr', 'suid', () => ({ name: 'user.a' })),
  // Locks: of two processes, through two handles, with one of them waiting.
  open('file', 'one'),
  open('file', 'two', RDONLY),
  lock('setlk', 'two', 1n, RDLCK, [0n, 99n]),
  lock('setlk', 'one', 1n, WRLCK, [10n, 19n]),
  lock('setlk', 'two', 2n, RDLCK, [0n, 14n]),
  lock('getlk', 'two', 2n, WRLCK, [0n, LAST]),
  lock('setlkw', 'two', 2n, RDLCK, [0n, 14n], { unique: 5 }),
  request('interrupt', root, () => ({ unique: 5 }), { unique: 7 }),
  lock('setlkw', 'two', 2n, RDLCK, [0n, 14n], { unique: 9 }),
  lock('setlk', 'one', 1n, UNLCK, [5n, 14n]),
  lock('setlk', 'one', 1n, WRLCK, [0n, LAST], { flags: LK_FLOCK }),
  request('flush', 'file', (_node, handle) => ({ fh: handle('two'), lockOwner: 2n })),
  release('file', 'one', RELEASE_FLOCK_UNLOCK),
  release('file', 'two'),
  // The end.
  request('forget', 'deep', () => ({ count: 1 })),
  request('batchForget', root, (node) => ({
    nodes: ['suid', 'made', 'inner'].map((name) => ({ nodeid: node(name), count: 100 })),
  })),
  request('destroy', root),
]

/** What a client asks of a tree that it opens without asking. */
const unasked: readonly FuseRequest[] = [
  request('init', root, () => linuxInit),
  open(root, 'refused', RDONLY),
  lookup(root, 'dir'),
  lookup('dir', 'inner'),
  lookup('inner', 'deep'),
  lookup(root, 'file'),
  request('read', 'deep', () => ({ size: 100 })),
  request('read', 'deep', () => ({ offset: 3, size: 100 })),
  request('read', 'file', () => ({ size: 100 })),
  request('lseek', 'file', () => ({ whence: SEEK_DATA })),
  request('readdir', 'dir', () => ({ size: 4096 })),
  request('readdirplus', root, () => ({ size: 4096 })),
  request('lookup', 'dir', () => ({ name: 'none' })),
  request('forget', 'deep', () => ({ count: 1 })),
]

/** Plays a scenario, and learns the numbers that the replies tell. */
class FusePlayer {
  readonly #probe: FuseProbe
  readonly #known: Known = { nodes: new Map([[root, ROOT_ID]]), handles: new Map() }

  constructor(probe: FuseProbe) {
    this.#probe = probe
  }

  get log(): readonly string[] {
    return this.#probe.log
  }

  close(): void {
    this.#probe.session.close()
  }

  /** Replies to requests that waited follow. */
  answerTo(asked: FuseRequest): string {
    const { name, at, as, uid = 0, unique } = asked
    const probe = this.#probe
    const { nodes, handles } = this.#known
    probe.replies = []
    const find = (map: ReadonlyMap<string, number>) => (label: string) => map.get(label) ?? 4711
    const target = { nodeid: find(nodes)(at), uid, gid: uid }
    probe.send(unique, name, asked.fields(find(nodes), find(handles)), target)
    const replies = probe.replies.toSorted((a, b) => a.unique - b.unique)
    if (replies.length === 0) return messages[name].R === null ? 'ok' : 'waits'
    return replies
      .map((reply) => {
        const isOwn = reply.unique === unique && messages[name].R !== null
        // Only locks wait.
        return isOwn
          ? this.#shown(name, reply, as)
          : `and number ${reply.unique} is answered ${this.#shown('setlkw', reply)}`
      })
      .join(' ')
  }

  #shown(name: MessageName, { bytes }: RawReply, as?: string): string {
    try {
      const reply = fieldsOf(name, bytes) as Readonly<Record<string, unknown>>
      const { entry, fh } = reply as Partial<R<'create'>>
      if (as !== undefined && entry !== undefined) this.#known.nodes.set(as, entry.nodeid)
      if (as !== undefined && fh !== undefined) this.#known.handles.set(as, fh)
      const shown = Object.entries(reply).map(
        ([field, value]) => `${field} ${shownField(name, field, value)}`,
      )
      return ['ok', ...shown].join(', ')
    } catch (error) {
      if (error instanceof ErrnoError) return error.code
      throw error
    }
  }
}

function shownField(name: MessageName, field: string, value: unknown): string {
  if (name === 'statfs' || name === 'init' || field === 'fh') return '…'
  if (field === 'entry' || field === 'attributes' || field === 'statx') {
    const { nodeid, attributes = value } = value as { nodeid?: number; attributes?: object }
    const { mode, uid, gid, nlink, size } = attributes as R<'statx'>['statx']
    // The size of a directory is the file system's own.
    const its = (mode & modes.TYPE) === modes.DIRECTORY ? '' : size
    return `${nodeid === 0 ? 'none' : ''} ${[mode.toString(8), uid, gid, nlink, its].join('/')}`
  }
  if (field !== 'data') return String(value)
  if (name === 'readdir')
    return entriesIn(value as Payload)
      .map((each) => each.name)
      .toSorted()
      .join(' ')
  if (name === 'readdirplus') {
    return plusEntriesIn(value as Payload)
      .map((each) => `${each.name} ${each.entry.nodeid === 0 ? '' : `${each.name}-known`}`.trim())
      .toSorted()
      .join(' ')
  }
  return payloadBytes(value as Payload).toString('latin1')
}

function scene(
  policy: Partial<HostPolicy>,
  requests: readonly FuseRequest[],
  how: FusePolicy,
): Scene<FuseRequest> {
  return new Scene(policy, {
    requests,
    fill,
    begin: (tree) => new FusePlayer(new FuseProbe(tree, { ...how, init: null })),
  })
}

const asking: FusePolicy = { caching: 'mmap', remoteLocks: true }
const notAsked: FusePolicy = { caching: 'loose', remoteLocks: false }

/** On the host's own files, on files with stored attributes, with hardly any descriptors, and opened without asking. */
export const fuseScenes = {
  host: scene({}, scenario, asking),
  'mapped-xattr': scene({ owner: 'mapped-xattr' }, scenario, asking),
  'read-only': scene({ readOnly: true }, unasked, notAsked),
  'read-only mapped-xattr': scene({ readOnly: true, owner: 'mapped-xattr' }, unasked, notAsked),
} as const
