import { ErrnoError, errno } from '../errno.ts'
import { Writer } from '../protocol/cursor.ts'
import { AT_REMOVEDIR } from '../protocol/flags.ts'
import { IO_HEADER_BYTES, MSIZE_MIN, PATH_BYTES_MAX, VERSION } from '../protocol/limits.ts'
import { heapMemory } from '../protocol/memory.ts'
import type { MessageName, R, T } from '../protocol/messages.ts'
import { type Qid, qidType } from '../protocol/qid.ts'
import type { Parked } from '../tree/parked.ts'
import type { Node, OpenFile } from '../tree/tree.ts'
import type { Fid } from './fids.ts'
import { checkName, checkStep } from './names.ts'
import type { Session } from './session.ts'

/** What to do for each request of the table; what throws becomes an Rlerror. */
type Handlers = {
  readonly [M in MessageName]: (session: Session, request: T<M>) => R<M> | Parked<R<M>>
}

const done = {}

export const handlers: Handlers = {
  version(session, { msize, version }) {
    session.reset()
    if (msize < MSIZE_MIN) throw new ErrnoError(errno.EINVAL, 'msize')
    session.msize = Math.min(msize, session.limits.msize)
    // version(5): a dialect that is not ours is answered, not refused; the client then gives up.
    const known = version === VERSION || version.startsWith(`${VERSION}.`)
    return { msize: session.msize, version: known ? VERSION : 'unknown' }
  },

  attach(session, { fid, aname, uid }) {
    session.fids.checkFree(fid)
    const node = session.tree.attach(aname)
    session.fids.set(fid, node, uid)
    return { qid: node.qid }
  },

  flush(session, { oldtag }) {
    session.flush(oldtag)
    return done
  },

  walk(session, { fid: number, newfid, names }) {
    const { fids } = session
    const from = fids.get(number)
    if (newfid !== number) fids.checkFree(newfid)
    else if (from.file !== null) throw new ErrnoError(errno.EINVAL, 'walk of an open fid to itself')

    const qids: Qid[] = []
    let node = from.node
    node.retain()
    try {
      for (const name of names) {
        const next = node.walk(checkStep(name))
        node.release()
        node = next
        qids.push(node.qid)
      }
    } catch (error) {
      node.release()
      // Only a first step that fails is an error; later ones make a shorter Rwalk (walk(5)).
      if (qids.length === 0) throw error
      return { qids }
    }
    if (newfid === number) fids.remove(number)
    fids.set(newfid, node, from.uid)
    return { qids }
  },

  clunk(session, { fid }) {
    session.fids.remove(fid)
    return done
  },

  getattr: (session, { fid, mask }) => session.fids.get(fid).node.getattr(mask),

  setattr(session, request) {
    const { node, file, uid } = session.fids.get(request.fid)
    node.setattr(request, file, uid)
    return done
  },

  statfs: (session, { fid }) => session.fids.get(fid).node.statfs(),

  readlink(session, { fid }) {
    const target = session.fids.get(fid).node.readlink()
    // Only where msize is hardly longer than a path may be.
    if (target.length > session.msize - IO_HEADER_BYTES) {
      throw new ErrnoError(errno.ENAMETOOLONG, 'readlink')
    }
    return { target }
  },

  lopen(session, { fid: number, flags }) {
    const fid = session.fids.get(number)
    if (fid.file !== null) throw new ErrnoError(errno.EINVAL, 'open of an open fid')
    fid.file = fid.node.open(flags, fid.uid)
    return { qid: fid.node.qid, iounit: 0 }
  },

  lcreate(session, { fid: number, name, flags, mode, gid }) {
    const fid = directory(session, number)
    if (fid.file !== null) throw new ErrnoError(errno.EINVAL, 'create on an open fid')
    const { node, file } = fid.node.create(checkName(name), flags, mode, { uid: fid.uid, gid })
    session.fids.remove(number)
    session.fids.set(number, node, fid.uid, file)
    return { qid: node.qid, iounit: 0 }
  },

  read(session, { fid, offset, count }) {
    const file = opened(session, fid, 'file')
    const into = session.replyPayload(count)
    const answer = file.read(offset, into)
    if (typeof answer === 'number') return { data: { ...into, length: answer } }
    return answer.map((bytes) => ({ data: payloadOf(bytes, into.length) }))
  },

  write(session, { fid, offset, data }) {
    const answer = opened(session, fid, 'file').write(offset, data)
    return typeof answer === 'number' ? { count: answer } : answer.map((count) => ({ count }))
  },

  readdir(session, { fid, offset, count }) {
    const file = opened(session, fid, 'directory')
    const into = session.replyPayload(count)
    const to = new Writer(into.memory).over(into.memory, into.offset, into.offset + into.length)
    file.readdir(offset, to)
    return { data: { ...into, length: to.position - into.offset } }
  },

  fsync(session, { fid, datasync }) {
    const { file } = session.fids.get(fid)
    if (file === null) throw new ErrnoError(errno.EBADF, 'fsync of a fid that is not open')
    file.fsync(datasync !== 0)
    return done
  },

  mkdir(session, { dfid, name, mode, gid }) {
    const { node, uid } = directory(session, dfid)
    return { qid: node.mkdir(checkName(name), mode, { uid, gid }) }
  },

  symlink(session, { dfid, name, symtgt, gid }) {
    const { node, uid } = directory(session, dfid)
    if (symtgt === '' || symtgt.includes('\0')) throw new ErrnoError(errno.EINVAL, 'symlink target')
    if (symtgt.length >= PATH_BYTES_MAX) throw new ErrnoError(errno.ENAMETOOLONG, 'symlink target')
    return { qid: node.symlink(checkName(name), symtgt, { uid, gid }) }
  },

  link(session, { dfid, fid, name }) {
    const target = session.fids.get(fid).node
    directory(session, dfid).node.link(target, checkName(name))
    return done
  },

  renameat(session, { olddirfid, oldname, newdirfid, newname }) {
    const from = directory(session, olddirfid).node
    const to = directory(session, newdirfid).node
    from.rename(checkName(oldname), to, checkName(newname))
    return done
  },

  unlinkat(session, { dirfid, name, flags }) {
    directory(session, dirfid).node.unlink(checkName(name), (flags & AT_REMOVEDIR) !== 0)
    return done
  },

  xattrwalk() {
    // overlayfs and the client take this as "no such attributes here" and go on.
    throw new ErrnoError(errno.EOPNOTSUPP, 'xattrwalk')
  },
}

/** The fid, which must stand for a directory. */
function directory(session: Session, number: number): Fid {
  const fid = session.fids.get(number)
  if (!isDirectory(fid.node)) throw new ErrnoError(errno.ENOTDIR, 'directory expected')
  return fid
}

/** The fid's open file, which must be of the kind that the request works on. */
function opened(session: Session, number: number, kind: 'file' | 'directory'): OpenFile {
  const { node, file } = session.fids.get(number)
  if (file === null) throw new ErrnoError(errno.EBADF, 'fid is not open')
  if (isDirectory(node) !== (kind === 'directory')) {
    throw new ErrnoError(kind === 'file' ? errno.EISDIR : errno.ENOTDIR, 'wrong kind of fid')
  }
  return file
}

function isDirectory(node: Node): boolean {
  return (node.qid.type & qidType.directory) !== 0
}

/** Bytes that a tree answered with later, cut to what was asked for. */
function payloadOf(bytes: Uint8Array, most: number): R<'read'>['data'] {
  const length = Math.min(bytes.length, most)
  const memory = heapMemory(length)
  memory.bytes.set(bytes.subarray(0, length))
  return { memory, offset: 0, length }
}
