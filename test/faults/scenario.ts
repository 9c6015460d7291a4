import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ErrnoError } from '../../src/errno.ts'
import {
  flags,
  limits,
  type MessageName,
  payloadBytes,
  readDirent,
  Reader,
  type Payload,
  type T,
} from '../../src/protocol/index.ts'
import { memoryOf } from '../support/frames.ts'
import type { SessionProbe } from '../support/session-probe.ts'

/** One request of a session that uses everything once. */
export interface Request {
  readonly name: MessageName
  readonly fields: never
}

function request<M extends MessageName>(name: M, fields: T<M>): Request {
  return { name, fields: fields as never }
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

/** The tree that {@link scenario} begins with. */
export function fillTree(directory: string): void {
  mkdirSync(join(directory, 'dir', 'inner'), { recursive: true })
  writeFileSync(join(directory, 'dir', 'inner', 'deep'), 'content')
  writeFileSync(join(directory, 'file'), 'file')
  linkSync(join(directory, 'file'), join(directory, 'twin'))
  symlinkSync('file', join(directory, 'link'))
}

const { open } = flags
const some = { uid: 12, gid: 34 }

/** Every request of the table, on every kind of file that it has its own way for. */
export const scenario: readonly Request[] = [
  request('version', { msize: 8192, version: limits.VERSION }),
  request('attach', { fid: 0, afid: limits.NOFID, uname: '', aname: '', uid: some.uid }),
  // A file, and all that can be done with it while it is open.
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
  // Without being open, and opened to be read only.
  request('walk', { fid: 0, newfid: 2, names: ['file'] }),
  setattr(2, flags.setattr.SIZE, { size: 3 }),
  setattr(2, flags.setattr.MODE | flags.setattr.UID | flags.setattr.GID, { mode: 0o640, ...some }),
  setattr(2, flags.setattr.MTIME | flags.setattr.MTIME_SET, { mtimeSec: 5, mtimeNsec: 6 }),
  request('statfs', { fid: 2 }),
  request('walk', { fid: 2, newfid: 2, names: [] }),
  request('lopen', { fid: 2, flags: open.RDONLY }),
  setattr(2, flags.setattr.SIZE, { size: 2 }),
  request('clunk', { fid: 2 }),
  // Directories, also one whose descriptor was given back while a child of it is in use.
  request('walk', { fid: 0, newfid: 3, names: ['dir', 'inner'] }),
  request('walk', { fid: 3, newfid: 4, names: ['..'] }),
  request('lopen', { fid: 4, flags: open.RDONLY | open.DIRECTORY }),
  request('readdir', { fid: 4, offset: 0n, count: 4096 }),
  request('walk', { fid: 3, newfid: 3, names: ['deep'] }),
  // What is new.
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
  // And gone again.
  request('unlinkat', { dirfid: 0, name: 'renamed', flags: 0 }),
  request('unlinkat', { dirfid: 4, name: 'directory', flags: flags.AT_REMOVEDIR }),
  request('readdir', { fid: 4, offset: 0n, count: 4096 }),
  request('xattrwalk', { fid: 0, newfid: 7, name: 'user.none' }),
  request('flush', { oldtag: 99 }),
  request('clunk', { fid: 5 }),
]

/** What was answered, without what is different each time: inodes and times. */
export function answerTo(probe: SessionProbe, { name, fields }: Request): string {
  try {
    const reply = probe.call(name, fields) as Readonly<Record<string, unknown>>
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
