import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ErrnoError } from '../../src/sys/errno.ts'
import {
  flags,
  limits,
  type MessageName,
  payloadBytes,
  readDirent,
  Reader,
  type Payload,
  type T,
} from '../../src/9p/index.ts'
import { memoryOf } from '../support/frames.ts'
import { fieldsOf, type RawReply, SessionProbe } from '../support/session-probe.ts'
import { type Scenario, Scene } from './run.ts'

/** One request of the session, which uses all operations once. */
export interface Request {
  readonly name: MessageName
  readonly fields: never
  /** The tag. It matters for a request that may wait, or that is flushed. */
  readonly tag: number
}

function request<M extends MessageName>(name: M, fields: T<M>, tag = 1): Request {
  return { name, fields: fields as never, tag }
}

function payload(text: string): Payload {
  const bytes = Buffer.from(text, 'latin1')
  return { memory: memoryOf(bytes), offset: 0, length: bytes.length }
}

function setattr(fid: number, valid: number, changes: Partial<T<'setattr'>> = {}): Request {
  const none = { mode: 0, uid: 0, gid: 0, size: 0 }
  const times = { atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0 }
  return request('setattr', { fid, valid, ...none, ...times, ...changes })
}

/** A Tlock of process `procId` of the client, for the first bytes of a file. */
function lock(
  fid: number,
  procId: number,
  type: number,
  [start, length]: readonly [bigint, bigint],
  waiting: { tag: number } | null = null,
): Request {
  const flag = waiting === null ? 0 : locks.BLOCK
  const fields = { fid, type, flags: flag, start, length, procId, clientId: 'client' }
  return request('lock', fields, waiting?.tag)
}

/** A Tgetlock: which lock keeps process `procId` from writing anywhere in the file. */
function getlock(fid: number, procId: number): Request {
  const fields = { fid, type: locks.WRLCK, start: 0n, length: 0n, procId, clientId: 'client' }
  return request('getlock', fields)
}

/** The tree that {@link scenario} begins with. */
function fillTree(directory: string): void {
  mkdirSync(join(directory, 'dir', 'inner'), { recursive: true })
  writeFileSync(join(directory, 'dir', 'inner', 'deep'), 'content')
  writeFileSync(join(directory, 'file'), 'file')
  linkSync(join(directory, 'file'), join(directory, 'twin'))
  symlinkSync('file', join(directory, 'link'))
  mkdirSync(join(directory, 'many'))
  for (let i = 0; i < MANY; i++) writeFileSync(join(directory, 'many', `${i}`), '')
}

/** More files than a small tree has descriptors for. */
const MANY = 16
/** The fid of the first of them. */
const FIRST_OF_MANY = 100

const { open, lock: locks, xattr } = flags
const some = { uid: 12, gid: 34 }

/** Every request of 9P's table, on every type of file that it treats differently. */
const scenario: readonly Request[] = [
  request('version', { msize: 8192, version: limits.VERSION }),
  request('attach', { fid: 0, afid: limits.NOFID, uname: '', aname: '', uid: some.uid }),
  // A file, and all requests on it while it is open.
  request('walk', { fid: 0, newfid: 1, names: ['dir', 'inner', 'deep'] }),
  request('getattr', { fid: 1, mask: 0x3fff }),
  request('lopen', { fid: 1, flags: open.RDWR }),
  request('read', { fid: 1, offset: 0, count: 100 }),
  request('write', { fid: 1, offset: 3, data: payload('written') }),
  request('fsync', { fid: 1, datasync: 0 }),
  request('fsync', { fid: 1, datasync: 1 }),
  setattr(1, flags.setattr.SIZE, { size: 5 }),
  request('read', { fid: 1, offset: 0, count: 100 }),
  request('clunk', { fid: 1 }),
  // The same on a fid that is not open, and on one that is open for reading only.
  request('walk', { fid: 0, newfid: 2, names: ['file'] }),
  setattr(2, flags.setattr.SIZE, { size: 3 }),
  setattr(2, flags.setattr.MODE | flags.setattr.UID | flags.setattr.GID, { mode: 0o640, ...some }),
  setattr(2, flags.setattr.MTIME | flags.setattr.MTIME_SET, { mtimeSec: 5, mtimeNsec: 6 }),
  request('statfs', { fid: 2 }),
  request('walk', { fid: 2, newfid: 2, names: [] }),
  request('lopen', { fid: 2, flags: open.RDONLY }),
  setattr(2, flags.setattr.SIZE, { size: 2 }),
  request('clunk', { fid: 2 }),
  // Directories, also one whose descriptor was given back while a file in it is in use.
  request('walk', { fid: 0, newfid: 3, names: ['dir', 'inner'] }),
  request('walk', { fid: 3, newfid: 4, names: ['..'] }),
  request('lopen', { fid: 4, flags: open.RDONLY | open.DIRECTORY }),
  request('readdir', { fid: 4, offset: 0n, count: 4096 }),
  request('walk', { fid: 3, newfid: 3, names: ['deep'] }),
  // Requests that make files.
  request('walk', { fid: 0, newfid: 5, names: ['dir'] }),
  request('lcreate', { fid: 5, name: 'made', flags: open.RDWR, mode: 0o106755, gid: some.gid }),
  request('write', { fid: 5, offset: 0, data: payload('of the new file') }),
  request('read', { fid: 5, offset: 0, count: 100 }),
  request('mkdir', { dfid: 4, name: 'directory', mode: 0o41777, gid: some.gid }),
  request('symlink', { dfid: 4, name: 'symlink', symtgt: 'target', gid: some.gid }),
  request('link', { dfid: 4, fid: 5, name: 'linked' }),
  request('renameat', { olddirfid: 4, oldname: 'linked', newdirfid: 0, newname: 'renamed' }),
  request('walk', { fid: 4, newfid: 6, names: ['symlink'] }),
  request('readlink', { fid: 6 }),
  setattr(6, flags.setattr.ATIME, {}),
  // Requests that remove these files.
  request('unlinkat', { dirfid: 0, name: 'renamed', flags: 0 }),
  request('unlinkat', { dirfid: 4, name: 'directory', flags: flags.AT_REMOVEDIR }),
  request('readdir', { fid: 4, offset: 0n, count: 4096 }),
  request('flush', { oldtag: 99 }),
  request('clunk', { fid: 5 }),
  // Files of other types, and renames and removals through a file's fid.
  request('mknod', { dfid: 4, name: 'fifo', mode: 0o10640, major: 0, minor: 0, gid: some.gid }),
  request('mknod', { dfid: 4, name: 'node', mode: 0o104755, major: 0, minor: 0, gid: some.gid }),
  request('walk', { fid: 4, newfid: 8, names: ['fifo'] }),
  request('getattr', { fid: 8, mask: 0x3fff }),
  request('walk', { fid: 4, newfid: 9, names: ['node'] }),
  request('rename', { fid: 8, dfid: 0, name: 'moved' }),
  // A rename over another file that still has a fid.
  request('rename', { fid: 8, dfid: 4, name: 'node' }),
  request('getattr', { fid: 8, mask: 0x3fff }),
  request('remove', { fid: 8 }),
  request('mkdir', { dfid: 4, name: 'empty', mode: 0o755, gid: some.gid }),
  request('walk', { fid: 4, newfid: 8, names: ['empty'] }),
  request('renameat', { olddirfid: 4, oldname: 'empty', newdirfid: 0, newname: 'emptied' }),
  request('walk', { fid: 8, newfid: 10, names: ['..'] }),
  request('remove', { fid: 8 }),
  request('clunk', { fid: 9 }),
  // Truncated by a user who is not root, which clears its setuid bit.
  request('walk', { fid: 4, newfid: 9, names: [] }),
  request('lcreate', { fid: 9, name: 'suid', flags: open.RDWR, mode: 0o104755, gid: some.gid }),
  request('clunk', { fid: 9 }),
  request('walk', { fid: 4, newfid: 9, names: ['suid'] }),
  request('lopen', { fid: 9, flags: open.RDWR | open.TRUNC }),
  request('write', { fid: 9, offset: 0, data: payload('cut') }),
  request('clunk', { fid: 9 }),
  // Extended attributes.
  request('walk', { fid: 0, newfid: 11, names: ['dir', 'made'] }),
  request('walk', { fid: 11, newfid: 12, names: [] }),
  request('xattrcreate', { fid: 12, name: 'user.a', size: 5n, flags: xattr.CREATE }),
  request('write', { fid: 12, offset: 0, data: payload('value') }),
  request('clunk', { fid: 12 }),
  request('xattrwalk', { fid: 11, newfid: 12, name: '' }),
  request('read', { fid: 12, offset: 0, count: 100 }),
  request('clunk', { fid: 12 }),
  request('xattrwalk', { fid: 11, newfid: 12, name: 'user.a' }),
  request('read', { fid: 12, offset: 2, count: 100 }),
  request('clunk', { fid: 12 }),
  request('walk', { fid: 11, newfid: 12, names: [] }),
  request('xattrcreate', { fid: 12, name: 'user.a', size: 0n, flags: xattr.REPLACE }),
  request('clunk', { fid: 12 }),
  request('xattrwalk', { fid: 11, newfid: 12, name: 'user.a' }),
  // Locks: of two processes, through two files, with one of them waiting.
  request('walk', { fid: 11, newfid: 13, names: [] }),
  request('lopen', { fid: 11, flags: open.RDWR }),
  request('lopen', { fid: 13, flags: open.RDONLY }),
  lock(13, 1, locks.RDLCK, [0n, 100n]),
  lock(11, 1, locks.WRLCK, [10n, 10n]),
  lock(13, 2, locks.RDLCK, [0n, 15n]),
  getlock(13, 2),
  lock(13, 2, locks.RDLCK, [0n, 15n], { tag: 5 }),
  request('flush', { oldtag: 5 }),
  lock(13, 2, locks.RDLCK, [0n, 15n], { tag: 6 }),
  lock(11, 1, locks.UNLCK, [5n, 10n]),
  lock(11, 2, locks.RDLCK, [300n, 0n]),
  lock(11, 1, locks.WRLCK, [16n, 4n]),
  lock(13, 2, locks.RDLCK, [16n, 4n], { tag: 7 }),
  request('clunk', { fid: 11 }),
  getlock(13, 3),
  request('clunk', { fid: 13 }),
  request('auth', { afid: 14, uname: '', aname: '', uid: some.uid }),
]

/** The same, while other fids take all descriptors. */
const crowded: readonly Request[] = scenario.flatMap((each, i) => {
  const others = [0, 1, 2].map((more) => (3 * i + more) % MANY)
  const walks = Array.from({ length: MANY }, (_, n) =>
    request('walk', { fid: 0, newfid: FIRST_OF_MANY + n, names: ['many', `${n}`] }),
  )
  const asked = others.map((n) => request('statfs', { fid: FIRST_OF_MANY + n }))
  if (each.name === 'version') return [each]
  return each.name === 'attach' ? [each].concat(walks) : asked.concat([each])
})

function playing(requests: readonly Request[]): Scenario<Request> {
  return {
    requests,
    fill: fillTree,
    begin(tree) {
      const probe = new SessionProbe(tree, 0)
      return {
        log: probe.log,
        answerTo: (each) => answerTo(probe, each),
        close: () => probe.session.close(),
      }
    },
  }
}

/** On the host's own files, on files with stored attributes, and with hardly any descriptors. */
export const scenes = {
  host: new Scene({}, playing(scenario)),
  'mapped-xattr': new Scene({ owner: 'mapped-xattr' }, playing(scenario)),
  crowded: new Scene({ descriptors: 16 }, playing(crowded)),
  'crowded mapped-xattr': new Scene({ descriptors: 16, owner: 'mapped-xattr' }, playing(crowded)),
} as const

/**
 * The answer, without values that differ each time: inode numbers and times. Replies to requests that waited
 * follow.
 */
function answerTo(probe: SessionProbe, asked: Request): string {
  probe.replies = []
  probe.send(asked.name === 'version' ? limits.NOTAG : asked.tag, asked.name, asked.fields)
  const replies = probe.replies.toSorted((a, b) => a.tag - b.tag)
  if (replies.length === 0) return 'waits'
  return replies
    .map((reply) => {
      const isOwn = reply.tag === asked.tag || asked.name === 'version'
      // Only locks wait.
      return isOwn
        ? shownReply(asked.name, reply)
        : `and tag ${reply.tag} is answered ${shownReply('lock', reply)}`
    })
    .join(' ')
}

function shownReply(name: MessageName, raw: RawReply): string {
  try {
    const reply = fieldsOf(name, raw) as Readonly<Record<string, unknown>>
    const shown = Object.entries(reply).map(
      ([field, value]) => `${field} ${shownField(field, value)}`,
    )
    return ['ok', ...shown].join(', ')
  } catch (error) {
    if (error instanceof ErrnoError) return error.code
    throw error
  }

  function shownField(field: string, value: unknown): string {
    if (/Sec$|Nsec$/.test(field) || name === 'statfs') return '…'
    if (field === 'qid') return `${(value as { type: number }).type}`
    if (field === 'qids') return (value as { type: number }[]).map(({ type }) => type).join(' ')
    if (field === 'data') {
      const bytes = payloadBytes(value as Payload)
      return name === 'readdir' ? namesIn(bytes).join(' ') : bytes.toString('latin1')
    }
    return String(value)
  }
}

function namesIn(bytes: Buffer): string[] {
  const memory = memoryOf(bytes)
  const from = new Reader(memory).over(memory, 0, bytes.length)
  const names: string[] = []
  while (from.position < from.end) names.push(readDirent(from).name)
  return names.toSorted()
}
