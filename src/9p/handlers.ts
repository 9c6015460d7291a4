import { ErrnoError, errno } from '../sys/errno.ts'
import type { Deferred } from '../tree/deferred.ts'
import { locksOf, namesOf, targetOf } from '../tree/groups.ts'
import type { Node, OpenDirectory, OpenFile } from '../tree/tree.ts'
import { changesOf } from './attributes-reply.ts'
import { DirentWriter } from './dirent-writer.ts'
import type { Fid } from './fids.ts'
import { getlockReply, lockOwner, lockRange } from './lock-requests.ts'
import { lockType } from '../session/lock-types.ts'
import { checkName, checkStep } from '../session/names.ts'
import type { SessionState } from './session-state.ts'
import { AT_REMOVEDIR, V9FS_MAGIC, lock as locks } from './wire/flags.ts'
import { IO_HEADER_BYTES, MSIZE_MIN, NOFID, PATH_BYTES_MAX, VERSION } from './wire/limits.ts'
import type { MessageName, PayloadMessage, R, T } from './wire/messages.ts'
import { type Qid, qidOf } from './wire/qid.ts'
import { createXattr, readXattr } from './xattr-values.ts'

/** A handler's answer: the fields of the reply, or the number of payload bytes that it has put in place. */
export type Answer<M extends MessageName> = M extends PayloadMessage ? number : R<M>

/** The answer of a deferred reply. A payload comes with its bytes. */
export type LateAnswer<M extends MessageName> = M extends PayloadMessage ? Uint8Array : R<M>

/** What to do for each request of the table; what throws becomes an Rlerror. */
type Handlers = {
  readonly [M in MessageName]: (
    session: SessionState,
    request: T<M>,
  ) => Answer<M> | Deferred<LateAnswer<M>>
}

const done = {}

export const handlers: Handlers = {
  version(session, { msize, version }) {
    session.reset()
    if (msize < MSIZE_MIN) throw new ErrnoError(errno.EINVAL, 'msize')
    session.msize = Math.min(msize, session.limits.msize)
    // version(5): for a dialect that we do not speak the answer is "unknown", not an error. The client then
    // gives up.
    const known = version === VERSION || version.startsWith(`${VERSION}.`)
    return { msize: session.msize, version: known ? VERSION : 'unknown' }
  },

  auth() {
    // No authentication is needed. diod's client then attaches without it (libnpclient, npc_auth); Linux's
    // client never asks.
    throw new ErrnoError(errno.ENOENT, 'auth')
  },

  attach(session, { fid, afid, aname, uid }) {
    // Tauth has never made an afid, so there is none to attach with.
    if (afid !== NOFID) throw new ErrnoError(errno.EBADF, 'afid')
    session.fids.checkFree(fid)
    const { tree, node } = session.exports.attach(aname)
    session.fids.set(fid, node, { tree, aname, uid })
    return { qid: qidOf(node) }
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
        const next = node.lookup(checkStep(name), null)
        node.release()
        node = next
        qids.push(qidOf(node))
      }
    } catch (error) {
      node.release()
      // Only a failure of the first step is an error. A later one makes the Rwalk shorter (walk(5)).
      if (qids.length === 0) throw error
      return { qids }
    }
    if (newfid === number) fids.remove(number)
    fids.set(newfid, node, from.attached)
    return { qids }
  },

  clunk({ fids }, { fid }) {
    try {
      if (!fids.lost.has(fid)) fids.any(fid).xattr?.apply()
    } finally {
      fids.remove(fid)
    }
    return done
  },

  remove(session, { fid: number }) {
    try {
      const { node } = session.fids.get(number)
      const { directory: above, name } = namesOf(node).place()
      try {
        namesOf(above).unlink(name, node.isDirectory)
      } finally {
        above.release()
      }
    } finally {
      session.fids.remove(number)
    }
    return done
  },

  getattr({ fids, attributes }, { fid, mask }) {
    fids.get(fid).node.getattr(attributes)
    return attributes.reply(mask)
  },

  setattr(session, request) {
    const { node, opened: by, attached } = session.fids.get(request.fid)
    node.setattr(changesOf(request), by?.file ?? null, attached.uid)
    return done
  },

  statfs: ({ fids }, { fid }) => ({ ...fids.get(fid).node.statfs(), type: V9FS_MAGIC }),

  readlink(session, { fid }) {
    const target = targetOf(session.fids.get(fid).node)
    // This happens only if msize is hardly larger than PATH_MAX.
    if (target.length > session.msize - IO_HEADER_BYTES) {
      throw new ErrnoError(errno.ENAMETOOLONG, 'readlink')
    }
    return { target }
  },

  lopen(session, { fid: number, flags }) {
    const fid = session.fids.get(number)
    if (fid.opened !== null) throw new ErrnoError(errno.EINVAL, 'open of an open fid')
    fid.opened = { file: fid.node.open(flags, fid.attached.uid), flags }
    return { qid: qidOf(fid.node), iounit: 0 }
  },

  lcreate(session, { fid: number, name, flags, mode, gid }) {
    const fid = directory(session, number)
    if (fid.opened !== null) throw new ErrnoError(errno.EINVAL, 'create on an open fid')
    const owner = { uid: fid.attached.uid, gid }
    checkName(name)
    const { node, file } = namesOf(fid.node).create(name, flags, mode, owner, null)
    session.fids.remove(number)
    session.fids.set(number, node, fid.attached, { file, flags })
    return { qid: qidOf(node), iounit: 0 }
  },

  read(session, { fid: number, offset, count }) {
    const fid = session.fids.any(number)
    const into = session.reply.payload(count)
    if (fid.xattr !== null) return fid.xattr.read(offset, into)
    const answer = openFile(fid).read(offset, into, session.mayDefer)
    if (typeof answer === 'number') return answer
    const { length } = into
    return answer.map((bytes) => bytes.subarray(0, length))
  },

  write({ fids }, { fid: number, offset, data }) {
    const fid = fids.any(number)
    if (fid.xattr !== null) return { count: fid.xattr.write(offset, data) }
    const answer = openFile(fid).write(offset, data)
    return typeof answer === 'number' ? { count: answer } : answer.map((count) => ({ count }))
  },

  readdir({ fids, reply }, { fid, offset, count }) {
    const opened = openDirectory(fids.get(fid))
    const to = reply.payloadWriter(count)
    const start = to.position
    const entries = new DirentWriter(to)
    opened.readdir(offset, entries)
    // As getdents(2): a reply without entries would mean the end of the directory, so one that has no room is
    // an error.
    if (entries.isFull && to.position === start) throw new ErrnoError(errno.EINVAL, 'readdir count')
    return to.position - start
  },

  fsync(session, { fid, datasync }) {
    const { opened: by } = session.fids.get(fid)
    if (by === null) throw new ErrnoError(errno.EBADF, 'fsync of a fid that is not open')
    by.file.fsync(datasync !== 0)
    return done
  },

  mkdir(session, { dfid, name, mode, gid }) {
    const { node, attached } = directory(session, dfid)
    checkName(name)
    return made(namesOf(node).mkdir(name, mode, { uid: attached.uid, gid }, null))
  },

  mknod(session, { dfid, name, mode, major, minor, gid }) {
    const { node, attached } = directory(session, dfid)
    checkName(name)
    const owner = { uid: attached.uid, gid }
    return made(namesOf(node).mknod(name, mode, { major, minor }, owner, null))
  },

  symlink(session, { dfid, name, symtgt, gid }) {
    const { node, attached } = directory(session, dfid)
    if (symtgt === '' || symtgt.includes('\0')) throw new ErrnoError(errno.EINVAL, 'symlink target')
    if (symtgt.length >= PATH_BYTES_MAX) throw new ErrnoError(errno.ENAMETOOLONG, 'symlink target')
    checkName(name)
    return made(namesOf(node).symlink(name, symtgt, { uid: attached.uid, gid }, null))
  },

  link(session, { dfid, fid, name }) {
    const target = session.fids.get(fid).node
    const { node } = directory(session, dfid)
    namesOf(node).link(target, checkName(name))
    return done
  },

  rename(session, { fid, dfid, name }) {
    const { node } = session.fids.get(fid)
    const to = directory(session, dfid).node
    checkName(name)
    const from = namesOf(node).place()
    try {
      namesOf(from.directory).rename(from.name, to, name)
    } finally {
      from.directory.release()
    }
    return done
  },

  renameat(session, { olddirfid, oldname, newdirfid, newname }) {
    const from = directory(session, olddirfid).node
    const to = directory(session, newdirfid).node
    checkName(oldname)
    namesOf(from).rename(oldname, to, checkName(newname))
    return done
  },

  unlinkat(session, { dirfid, name, flags }) {
    const { node } = directory(session, dirfid)
    namesOf(node).unlink(checkName(name), (flags & AT_REMOVEDIR) !== 0)
    return done
  },

  xattrwalk(session, { fid, newfid, name }) {
    const from = session.fids.get(fid)
    session.fids.checkFree(newfid)
    const value = readXattr(from.node, name, session.xattrMemory)
    from.node.retain()
    session.fids.setXattr(newfid, from.node, from.attached, value)
    return { size: value.size }
  },

  xattrcreate(session, { fid: number, name, size, flags }) {
    const fid = session.fids.get(number)
    if (fid.opened !== null) throw new ErrnoError(errno.EINVAL, 'xattrcreate on an open fid')
    fid.xattr = createXattr(fid.node, name, size, flags, session.xattrMemory)
    return done
  },

  lock(session, request) {
    const file = openFile(session.fids.get(request.fid))
    const range = lockRange(request)
    const owner = lockOwner(session.locks, request)
    const type = lockType(request.type)
    if (type === null) {
      locksOf(file).unlock(range, owner)
      return { status: locks.SUCCESS }
    }
    // A client with too many deferred requests gets BLOCKED at once. Linux's client then asks again
    // (v9fs_file_do_lock).
    const wait = (request.flags & locks.BLOCK) !== 0 && session.mayDefer
    const answer = locksOf(file).lock({ ...range, type, owner }, wait)
    return typeof answer === 'boolean' ? lockReply(answer) : answer.map(lockReply)
  },

  getlock(session, request) {
    const file = openFile(session.fids.get(request.fid))
    const range = lockRange(request)
    const owner = lockOwner(session.locks, request)
    // Linux's client always asks with UNLCK (v9fs_file_getlock): "is there any lock?".
    const type = lockType(request.type) ?? 'write'
    return getlockReply(request, locksOf(file).conflict({ ...range, type, owner }))
  },
}

function lockReply(granted: boolean): R<'lock'> {
  return { status: granted ? locks.SUCCESS : locks.BLOCKED }
}

/** The reply of a request that makes a file. The node is released: no fid stands for it. */
function made(node: Node): { qid: Qid } {
  try {
    return { qid: qidOf(node) }
  } finally {
    node.release()
  }
}

/** The fid, which must stand for a directory. */
function directory(session: SessionState, number: number): Fid {
  const fid = session.fids.get(number)
  if (!fid.node.isDirectory) throw new ErrnoError(errno.ENOTDIR, 'directory expected')
  return fid
}

/** The fid's open file. @throws EBADF where nothing is open, EISDIR for a directory. */
function openFile({ opened }: Fid): OpenFile {
  if (opened === null) throw new ErrnoError(errno.EBADF, 'fid is not open')
  if (opened.file.isDirectory) throw new ErrnoError(errno.EISDIR, 'file expected')
  return opened.file
}

/** The fid's open directory. @throws EBADF where nothing is open, ENOTDIR for a file. */
function openDirectory({ opened }: Fid): OpenDirectory {
  if (opened === null) throw new ErrnoError(errno.EBADF, 'fid is not open')
  if (!opened.file.isDirectory) throw new ErrnoError(errno.ENOTDIR, 'directory expected')
  return opened.file
}
