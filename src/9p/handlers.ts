import { ErrnoError, errno } from '../sys/errno.ts'
import { Writer } from './wire/cursor.ts'
import { AT_REMOVEDIR, lock as locks } from './wire/flags.ts'
import { IO_HEADER_BYTES, MSIZE_MIN, NOFID, PATH_BYTES_MAX, VERSION } from './wire/limits.ts'
import { run, shortened } from '../sys/memory.ts'
import type { MessageName, R, T } from './wire/messages.ts'
import type { Qid } from './wire/qid.ts'
import type { Deferred } from '../tree/deferred.ts'
import type { OpenFile } from '../tree/tree.ts'
import { createAttribute, readAttribute } from './xattr-values.ts'
import type { Fid } from './fids.ts'
import { getlockReply, lockOwner, lockRange, lockType } from './lock-requests.ts'
import { checkName, checkStep } from './names.ts'
import type { Session } from './session.ts'

/** What to do for each request of the table; what throws becomes an Rlerror. */
type Handlers = {
  readonly [M in MessageName]: (session: Session, request: T<M>) => R<M> | Deferred<R<M>>
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

  auth() {
    // "No authentication is needed": diod's client then attaches without (libnpclient, npc_auth), and
    // Linux's never asks.
    throw new ErrnoError(errno.ENOENT, 'auth')
  },

  attach(session, { fid, afid, aname, uid }) {
    // No Tauth has ever made one.
    if (afid !== NOFID) throw new ErrnoError(errno.EBADF, 'afid')
    session.fids.checkFree(fid)
    const { tree, node } = session.exports.attach(aname)
    session.fids.set(fid, node, { tree, aname, uid })
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
    else if (from.opened !== null)
      throw new ErrnoError(errno.EINVAL, 'walk of an open fid to itself')

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
    fids.set(newfid, node, from.attached)
    return { qids }
  },

  clunk({ fids }, { fid }) {
    try {
      if (!fids.lost.has(fid)) fids.any(fid).attribute?.apply()
    } finally {
      fids.remove(fid)
    }
    return done
  },

  remove(session, { fid: number }) {
    try {
      const { node } = session.fids.get(number)
      const { directory: above, name } = node.place()
      try {
        above.unlink(name, node.isDirectory)
      } finally {
        above.release()
      }
    } finally {
      session.fids.remove(number)
    }
    return done
  },

  getattr: (session, { fid, mask }) => session.fids.get(fid).node.getattr(mask),

  setattr(session, request) {
    const { node, opened: by, attached } = session.fids.get(request.fid)
    node.setattr(request, by?.file ?? null, attached.uid)
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
    if (fid.opened !== null) throw new ErrnoError(errno.EINVAL, 'open of an open fid')
    fid.opened = { file: fid.node.open(flags, fid.attached.uid), flags }
    return { qid: fid.node.qid, iounit: 0 }
  },

  lcreate(session, { fid: number, name, flags, mode, gid }) {
    const fid = directory(session, number)
    if (fid.opened !== null) throw new ErrnoError(errno.EINVAL, 'create on an open fid')
    const owner = { uid: fid.attached.uid, gid }
    const { node, file } = fid.node.create(checkName(name), flags, mode, owner)
    session.fids.remove(number)
    session.fids.set(number, node, fid.attached, { file, flags })
    return { qid: node.qid, iounit: 0 }
  },

  read(session, { fid: number, offset, count }) {
    const fid = session.fids.any(number)
    const into = session.replyPayload(count)
    if (fid.attribute !== null) return { data: fid.attribute.read(offset, into.length) }
    const answer = opened(fid, 'file').read(offset, into, session.mayDefer)
    if (typeof answer === 'number') return { data: shortened(into, answer) }
    return answer.map((bytes) => ({ data: payloadOf(bytes, into.length) }))
  },

  write(session, { fid: number, offset, data }) {
    const fid = session.fids.any(number)
    if (fid.attribute !== null) return { count: fid.attribute.write(offset, data) }
    const answer = opened(fid, 'file').write(offset, data)
    return typeof answer === 'number' ? { count: answer } : answer.map((count) => ({ count }))
  },

  readdir(session, { fid, offset, count }) {
    const file = opened(session.fids.get(fid), 'directory')
    const into = session.replyRun(count)
    const to = new Writer(into.memory).over(into.memory, into.offset, into.offset + into.length)
    file.readdir(offset, to)
    return { data: shortened(into, to.position - into.offset) }
  },

  fsync(session, { fid, datasync }) {
    const { opened: by } = session.fids.get(fid)
    if (by === null) throw new ErrnoError(errno.EBADF, 'fsync of a fid that is not open')
    by.file.fsync(datasync !== 0)
    return done
  },

  mkdir(session, { dfid, name, mode, gid }) {
    const { node, attached } = directory(session, dfid)
    return { qid: node.mkdir(checkName(name), mode, { uid: attached.uid, gid }) }
  },

  mknod(session, { dfid, name, mode, major, minor, gid }) {
    const { node, attached } = directory(session, dfid)
    return { qid: node.mknod(checkName(name), mode, major, minor, { uid: attached.uid, gid }) }
  },

  symlink(session, { dfid, name, symtgt, gid }) {
    const { node, attached } = directory(session, dfid)
    if (symtgt === '' || symtgt.includes('\0')) throw new ErrnoError(errno.EINVAL, 'symlink target')
    if (symtgt.length >= PATH_BYTES_MAX) throw new ErrnoError(errno.ENAMETOOLONG, 'symlink target')
    return { qid: node.symlink(checkName(name), symtgt, { uid: attached.uid, gid }) }
  },

  link(session, { dfid, fid, name }) {
    const target = session.fids.get(fid).node
    directory(session, dfid).node.link(target, checkName(name))
    return done
  },

  rename(session, { fid, dfid, name }) {
    const { node } = session.fids.get(fid)
    const to = directory(session, dfid).node
    checkName(name)
    const from = node.place()
    try {
      from.directory.rename(from.name, to, name)
    } finally {
      from.directory.release()
    }
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

  xattrwalk(session, { fid, newfid, name }) {
    const from = session.fids.get(fid)
    session.fids.checkFree(newfid)
    const value = readAttribute(from.node, name, session.attributes)
    from.node.retain()
    session.fids.setAttribute(newfid, from.node, from.attached, value)
    return { size: value.size }
  },

  xattrcreate(session, { fid: number, name, size, flags }) {
    const fid = session.fids.get(number)
    if (fid.opened !== null) throw new ErrnoError(errno.EINVAL, 'xattrcreate on an open fid')
    fid.attribute = createAttribute(fid.node, name, size, flags, session.attributes)
    return done
  },

  lock(session, request) {
    const file = opened(session.fids.get(request.fid), 'file')
    const range = lockRange(request)
    const owner = lockOwner(session.locks, request)
    const type = lockType(request.type)
    if (type === null) {
      file.unlock(range, owner)
      return { status: locks.SUCCESS }
    }
    // A client that may not wait here is told to ask again, and does so by itself.
    const wait = (request.flags & locks.BLOCK) !== 0 && session.mayDefer
    const answer = file.lock({ ...range, type, owner }, wait)
    return typeof answer === 'boolean' ? lockReply(answer) : answer.map(lockReply)
  },

  getlock(session, request) {
    const file = opened(session.fids.get(request.fid), 'file')
    const range = lockRange(request)
    const owner = lockOwner(session.locks, request)
    // Linux's client always asks with UNLCK (v9fs_file_getlock): "is there any lock?".
    const type = lockType(request.type) ?? 'write'
    return getlockReply(request, file.getlock({ ...range, type, owner }))
  },
}

function lockReply(granted: boolean): R<'lock'> {
  return { status: granted ? locks.SUCCESS : locks.BLOCKED }
}

/** The fid, which must stand for a directory. */
function directory(session: Session, number: number): Fid {
  const fid = session.fids.get(number)
  if (!fid.node.isDirectory) throw new ErrnoError(errno.ENOTDIR, 'directory expected')
  return fid
}

/** The fid's open file, which must be of the kind that the request works on. */
function opened({ node, opened: by }: Fid, kind: 'file' | 'directory'): OpenFile {
  if (by === null) throw new ErrnoError(errno.EBADF, 'fid is not open')
  if (node.isDirectory !== (kind === 'directory')) {
    throw new ErrnoError(kind === 'file' ? errno.EISDIR : errno.ENOTDIR, 'wrong kind of fid')
  }
  return by.file
}

/** Bytes that a tree answered with later, cut to what was asked for. */
function payloadOf({ buffer, byteOffset, length }: Uint8Array, most: number): R<'read'>['data'] {
  const bytes = Buffer.from(buffer, byteOffset, length)
  const memory = { bytes, view: new DataView(buffer, byteOffset, length), address: 0 }
  return run(memory, 0, Math.min(length, most))
}
