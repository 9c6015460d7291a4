import { ErrnoError, errno } from '../sys/errno.ts'
import { fillPayload } from '../sys/memory.ts'
import { lockType } from '../session/lock-types.ts'
import { checkName, checkXattrName } from '../session/names.ts'
import { Deferred } from '../tree/deferred.ts'
import { entryTypes, modes, openFlags, xattrFlags } from '../tree/flags.ts'
import { namesOf, spaceOf, targetOf, xattrsOf } from '../tree/groups.ts'
import { PATH_BYTES_MAX, XATTR_SIZE_MAX } from '../tree/limits.ts'
import { NO_UID, type Node, type OpenDirectory, type OpenNode, type Owner } from '../tree/tree.ts'
import { ProtocolError } from '../wire/protocol-error.ts'
import { changesOf } from './attribute-changes.ts'
import { EntryWriter, PlusWriter, entryType } from './entry-writer.ts'
import { agree } from './init.ts'
import { WHOLE, getlkReply, lockOwner, lockRange, locksFor } from './lock-requests.ts'
import type { KnownNode } from './nodes.ts'
import { NO_HANDLE } from './open-files.ts'
import type { FuseSessionState } from './session-state.ts'
import type { RequestHeader } from './wire/codec.ts'
import {
  FSYNC_DATA_ONLY,
  GETATTR_FH,
  OPEN_KILL_SUIDGID,
  RELEASE_FLOCK_UNLOCK,
  init,
  setattr as setattrBits,
  write as writeFlags,
} from './wire/flags.ts'
import { type AttributesFor, type Entry, majorOf, minorOf } from './wire/kinds.ts'
import { MAJOR } from './wire/limits.ts'
import type { MessageName, PayloadMessage, R, SilentMessage, T } from './wire/messages.ts'

/** A handler's answer: the fields of the reply, or the number of payload bytes that it has put in place. */
export type Answer<M extends MessageName> = M extends PayloadMessage
  ? number
  : M extends SilentMessage
    ? undefined
    : R<M>

/** The answer of a deferred reply. A payload comes with its bytes. */
export type LateAnswer<M extends MessageName> = M extends PayloadMessage ? Uint8Array : R<M>

/** What to do for each request of the table; what throws becomes an errno. */
type Handlers = {
  readonly [M in MessageName]: (
    session: FuseSessionState,
    request: T<M>,
    header: RequestHeader,
  ) => Answer<M> | Deferred<LateAnswer<M>>
}

const done = {}

export const handlers: Handlers = {
  init(session, request) {
    const { features, reply } = agree(request, session.policy)
    // A client with a later major version sends INIT again.
    if (request.major === MAJOR) {
      session.attach()
      session.features = features
    }
    return reply
  },

  destroy(session) {
    session.reset()
    return done
  },

  lookup(session, { name }, { nodeid }) {
    const { node } = session.nodes.get(nodeid)
    try {
      const found = node.lookup(checkLookup(name), session.attributes)
      return { entry: entryOf(session, session.nodes.tell(found, session.attributes)) }
    } catch (error) {
      const { remembersMissing, validity } = session.caching
      const isMissing = error instanceof ErrnoError && error.errno === errno.ENOENT
      if (!isMissing || !remembersMissing) throw error
      return { entry: { ...missing, entryValid: validity } }
    }
  },

  forget(session, { count }, { nodeid }) {
    session.nodes.forget(nodeid, count)
    return undefined
  },

  batchForget(session, { nodes }) {
    for (const { nodeid, count } of nodes) session.nodes.forget(nodeid, count)
    return undefined
  },

  getattr(session, { flags, fh }, { nodeid }) {
    return { attributes: attributesOf(session, nodeOf(session, nodeid, flags, fh)) }
  },

  statx(session, { flags, fh }, { nodeid }) {
    const { attrValid, attributes } = attributesOf(session, nodeOf(session, nodeid, flags, fh))
    return {
      validSec: Math.floor(attrValid),
      validNsec: 0,
      flags: 0,
      statx: attributes as typeof session.attributes,
    }
  },

  setattr(session, request, { nodeid, uid }) {
    const known = session.nodes.get(nodeid)
    const { valid, fh } = request
    const file = (valid & setattrBits.FH) === 0 ? null : session.files.get(fh).file
    const by = (valid & setattrBits.KILL_SUIDGID) === 0 ? uid : NO_UID
    known.node.setattr(changesOf(request), file, by)
    return { attributes: attributesOf(session, known) }
  },

  readlink(session, _request, { nodeid }) {
    return putBytes(session, Buffer.from(targetOf(session.nodes.get(nodeid).node), 'latin1'))
  },

  symlink(session, { name, target }, { nodeid, uid, gid }) {
    const { node } = session.nodes.get(nodeid)
    if (target === '') throw new ErrnoError(errno.ENOENT, 'symlink target')
    if (target.length >= PATH_BYTES_MAX) throw new ErrnoError(errno.ENAMETOOLONG, 'symlink target')
    checkName(name)
    const { owner } = newcomer(session, node, modes.SYMLINK, uid, gid)
    return made(session, namesOf(node).symlink(name, target, owner, session.attributes))
  },

  mknod(session, { name, mode, rdev, umask }, { nodeid, uid, gid }) {
    const { node } = session.nodes.get(nodeid)
    checkName(name)
    const { owner, mode: its } = newcomer(session, node, mode, uid, gid, umask)
    const device = { major: majorOf(rdev), minor: minorOf(rdev) }
    return made(session, namesOf(node).mknod(name, its, device, owner, session.attributes))
  },

  mkdir(session, { name, mode, umask }, { nodeid, uid, gid }) {
    const { node } = session.nodes.get(nodeid)
    checkName(name)
    const { owner, mode: its } = newcomer(session, node, modes.DIRECTORY | mode, uid, gid, umask)
    return made(session, namesOf(node).mkdir(name, its, owner, session.attributes))
  },

  unlink(session, { name }, { nodeid }) {
    namesOf(session.nodes.get(nodeid).node).unlink(checkName(name), false)
    return done
  },

  rmdir(session, { name }, { nodeid }) {
    namesOf(session.nodes.get(nodeid).node).unlink(checkName(name), true)
    return done
  },

  rename(session, { newdir, oldname, newname }, { nodeid }) {
    const from = session.nodes.get(nodeid).node
    const to = session.nodes.get(newdir).node
    namesOf(from).rename(checkName(oldname), to, checkName(newname))
    return done
  },

  rename2(session, { newdir, flags, oldname, newname }, { nodeid }) {
    const from = session.nodes.get(nodeid).node
    const to = session.nodes.get(newdir).node
    namesOf(from).rename(checkName(oldname), to, checkName(newname), flags)
    return done
  },

  link(session, { oldnodeid, name }, { nodeid }) {
    const known = session.nodes.get(oldnodeid)
    const { node } = session.nodes.get(nodeid)
    const { attributes, otherAttributes: before } = session
    checkName(name)
    known.node.getattr(before)
    namesOf(node).link(known.node, name)
    known.lookups++
    try {
      known.node.getattr(attributes)
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error
      // The name is there, whatever came of this. The client asks for the attributes again.
      before.nlink++
      session.nodes.seen(known, before)
      return { entry: { ...entryOf(session, known), attributes: before, attrValid: 0 } }
    }
    session.nodes.seen(known, attributes)
    return { entry: entryOf(session, known) }
  },

  open(session, { flags, openFlags: how }, { nodeid, uid }) {
    const { file: keeps } = session.caching
    // A lock needs an open file: it ends with it.
    const isNeeded = session.policy.remoteLocks || !opensUnasked(session)
    if (!isNeeded && has(session, init.NO_OPEN_SUPPORT)) {
      throw new ErrnoError(errno.ENOSYS, 'open')
    }
    const by = (how & OPEN_KILL_SUIDGID) === 0 ? uid : NO_UID
    return { fh: opened(session, nodeid, meaningful(flags), by), openFlags: keeps }
  },

  opendir(session, { flags }, { nodeid, uid }) {
    const { directory: keeps } = session.caching
    if (opensUnasked(session) && has(session, init.NO_OPENDIR_SUPPORT)) {
      throw new ErrnoError(errno.ENOSYS, 'opendir')
    }
    const fh = opened(session, nodeid, (flags & openFlags.NOATIME) | openFlags.RDONLY, uid)
    return { fh, openFlags: keeps }
  },

  create(session, request, header) {
    return createIn(session, request, header, ({ node }, flags, mode, owner) => {
      checkName(request.name)
      return namesOf(node).create(request.name, flags, mode, owner, session.attributes)
    })
  },

  tmpfile(session, request, header) {
    return createIn(session, request, header, ({ node }, flags, mode, owner) => {
      const names = namesOf(node)
      if (names.tmpfile === undefined) throw new ErrnoError(errno.EOPNOTSUPP, 'tmpfile')
      return names.tmpfile(flags & ~openFlags.EXCL, mode, owner, session.attributes)
    })
  },

  read(session, { fh, offset, size }, { nodeid, uid }) {
    const into = session.reply.payload(size)
    const file = session.files.file(fh, unasked(session, fh, nodeid), uid)
    const answer = file.read(offset, into, session.mayDefer)
    if (typeof answer === 'number') return answer
    const { length } = into
    return answer.map((bytes) => bytes.subarray(0, length))
  },

  write(session, { fh, offset, size, writeFlags: how, data }) {
    if (size !== data.length) {
      throw new ProtocolError('TRUNCATED', `size[4] is ${size} in a WRITE of ${data.length} bytes`)
    }
    const file = session.files.file(fh, null, 0)
    const answer = file.write(offset, data, (how & writeFlags.KILL_SUIDGID) !== 0)
    return typeof answer === 'number' ? { size: answer } : answer.map((count) => ({ size: count }))
  },

  statfs(session, _request, { nodeid }) {
    const { blocks, bfree, bavail, files, ffree, bsize, namelen } = session.nodes
      .get(nodeid)
      .node.statfs()
    return { blocks, bfree, bavail, files, ffree, bsize, namelen, frsize: bsize }
  },

  release(session, { fh, releaseFlags, lockOwner: owner }) {
    if (fh === NO_HANDLE) return done
    try {
      if ((releaseFlags & RELEASE_FLOCK_UNLOCK) !== 0) unlock(session, fh, 'flocks', owner)
    } finally {
      session.files.close(fh)
    }
    return done
  },

  releasedir(session, { fh }) {
    if (fh !== NO_HANDLE) session.files.close(fh)
    return done
  },

  flush(session, { fh, lockOwner: owner }) {
    // Nothing is kept here that could be written now. The client then does not ask again.
    if (!session.policy.remoteLocks) throw new ErrnoError(errno.ENOSYS, 'flush')
    if (fh !== NO_HANDLE) unlock(session, fh, 'locks', owner)
    return done
  },

  fsync: sync,
  fsyncdir: sync,

  syncfs(session, _request, { nodeid }) {
    const { node } = session.nodes.get(nodeid)
    if (!session.tree.readOnly) node.syncfs?.()
    return done
  },

  setxattr(session, { size, flags, name, value }, { nodeid }) {
    const node = attributed(session, nodeid)
    checkXattrName(name)
    if ((flags & ~(xattrFlags.CREATE | xattrFlags.REPLACE)) !== 0) {
      throw new ErrnoError(errno.EINVAL, 'setxattr flags')
    }
    if (size > XATTR_SIZE_MAX) throw new ErrnoError(errno.E2BIG, 'setxattr')
    if (size !== value.length) {
      const claim = `size[4] is ${size} in a SETXATTR of ${value.length} bytes`
      throw new ProtocolError('TRUNCATED', claim)
    }
    const { memory, offset, length } = value
    xattrsOf(node).setXattr(name, memory.bytes.subarray(offset, offset + length), flags)
    return done
  },

  getxattr(session, { size, name }, { nodeid }) {
    const node = attributed(session, nodeid)
    return putXattr(session, xattrsOf(node).getXattr(checkXattrName(name)), size)
  },

  listxattr(session, { size }, { nodeid }) {
    const node = attributed(session, nodeid)
    return putXattr(session, xattrsOf(node).listXattrs(), size)
  },

  removexattr(session, { name }, { nodeid }) {
    const node = attributed(session, nodeid)
    xattrsOf(node).removeXattr(checkXattrName(name))
    return done
  },

  readdir(session, { fh, offset, size }, { nodeid, uid }) {
    const directory = session.files.directory(fh, unasked(session, fh, nodeid), uid)
    const to = session.reply.payloadWriter(Math.min(size, LISTED_MOST))
    const above = session.nodes.get(nodeid).node
    return list(directory, offset, new EntryWriter(to, (name) => typeOf(above, name)))
  },

  readdirplus(session, { fh, offset, size }, { nodeid, uid }) {
    const { node } = session.nodes.get(nodeid)
    const directory = session.files.directory(fh, unasked(session, fh, nodeid), uid)
    const to = session.reply.payloadWriter(Math.min(size, LISTED_MOST))
    return list(directory, offset, new PlusWriter(to, (name) => describe(session, node, name)))
  },

  getlk(session, request) {
    const file = session.files.file(request.fh, null, 0)
    const owner = lockOwner(session.locks, request.owner, request.pid)
    const type = lockType(request.type) ?? 'write'
    const locks = locksFor(file, request.flags)
    const conflict = locks.conflict({ ...lockRange(request), type, owner })
    return getlkReply(request, conflict)
  },

  setlk(session, request) {
    const file = session.files.file(request.fh, null, 0)
    const locks = locksFor(file, request.flags)
    const owner = lockOwner(session.locks, request.owner, request.pid)
    const type = lockType(request.type)
    const range = lockRange(request)
    if (type === null) locks.unlock(range, owner)
    else if (locks.lock({ ...range, type, owner }, false) !== true) {
      throw new ErrnoError(errno.EAGAIN, 'lock')
    }
    return done
  },

  setlkw(session, request, header) {
    const type = lockType(request.type)
    if (type === null) return handlers.setlk(session, request, header)
    const file = session.files.file(request.fh, null, 0)
    const owner = lockOwner(session.locks, request.owner, request.pid)
    const lock = { ...lockRange(request), type, owner }
    const locks = locksFor(file, request.flags)
    if (!session.mayDefer) throw new ErrnoError(errno.ENOLCK, 'lock')
    return waitForLock(() => locks.lock(lock, true))
  },

  interrupt(session, { unique }) {
    session.interrupt(unique)
    return undefined
  },

  fallocate(session, { fh, offset, length, mode }) {
    spaceOf(session.files.file(fh, null, 0)).allocate(mode, offset, length)
    return done
  },

  lseek(session, { fh, offset, whence }, { nodeid, uid }) {
    const file = session.files.file(fh, unasked(session, fh, nodeid), uid)
    return { offset: spaceOf(file).seek(offset, whence) }
  },

  copyFileRange(session, { fh, offset, fhOut, offsetOut, length, flags }) {
    if (flags !== 0n) throw new ErrnoError(errno.EINVAL, 'copy_file_range flags')
    const from = session.files.file(fh, null, 0)
    const to = session.files.file(fhOut, null, 0)
    return { size: spaceOf(from).copyTo(offset, to, offsetOut, Math.min(length, COPIED_MOST)) }
  },
}

/** How many bytes one request copies at most. The client asks for the rest. */
const COPIED_MOST = 16 << 20

/**
 * How many bytes of a directory one request reads at most, since other clients wait meanwhile: some hundreds of entries that
 * are looked up, or two thousand. Programs read 32 KiB at a time (glibc's readdir).
 */
const LISTED_MOST = 1 << 16

/** The attributes of an entry without a file: the client looks at its validity alone. */
const missing: Omit<Entry, 'entryValid'> = {
  nodeid: 0,
  attrValid: 0,
  flags: 0,
  attributes: {
    ino: 0n,
    size: 0,
    blocks: 0,
    atimeSec: 0,
    mtimeSec: 0,
    ctimeSec: 0,
    atimeNsec: 0,
    mtimeNsec: 0,
    ctimeNsec: 0,
    mode: 0,
    nlink: 0,
    uid: 0,
    gid: 0,
    rdev: 0,
    blksize: 0,
  },
}

/** A name of LOOKUP. `..` is looked up where a guest of its own serves the tree on, such as with NFS. */
function checkLookup(name: string): string {
  return name === '..' ? name : checkName(name)
}

/**
 * Whether the client may open files without asking. A file that cannot be opened would then fail when it is read, which Linux
 * reports as EIO since it reads whole folios (7.2), and programs expect EACCES from open(2).
 */
function opensUnasked({ caching, tree }: FuseSessionState): boolean {
  return caching.opensUnasked && tree.readOnly && tree.opensAll === true
}

function has({ features }: FuseSessionState, flag: bigint): boolean {
  return (features.flags & flag) !== 0n
}

/** The entry of a node whose attributes were filled in just now. */
function entryOf(session: FuseSessionState, { id }: KnownNode): Entry {
  const { attributes, caching } = session
  const attrValid = attributesValid(session)
  return { nodeid: id, entryValid: caching.validity, attrValid, attributes, flags: 0 }
}

/**
 * How long the attributes that were filled in just now are valid, in seconds. Where a write clears set-user-id and set-group-id
 * bits, the client leaves that to the server (FUSE_HANDLE_KILLPRIV_V2). It would execute a program with the bits that it has
 * kept, so it keeps none: it asks again before each check of the file's permissions (fuse_permission in fs/fuse/dir.c).
 */
function attributesValid({ attributes, caching, tree }: FuseSessionState): number {
  const { mode } = attributes
  const isPrivileged = (mode & (modes.SETUID | modes.SETGID)) !== 0
  if (isPrivileged && (mode & modes.TYPE) === modes.FILE && !tree.readOnly) return 0
  return caching.validity
}

/** The reply of a request that makes a file. */
function made(session: FuseSessionState, node: Node): { entry: Entry } {
  return { entry: entryOf(session, session.nodes.tell(node, session.attributes)) }
}

function nodeOf(
  { nodes, files }: FuseSessionState,
  nodeid: number,
  flags: number,
  fh: number,
): KnownNode {
  // The node of an open file is the one that it was opened from, unless the client has forgotten that.
  const isOpen = (flags & GETATTR_FH) !== 0 && fh !== NO_HANDLE
  return nodes.get(isOpen ? files.get(fh).node.id : nodeid)
}

function attributesOf(session: FuseSessionState, known: KnownNode): AttributesFor {
  const { attributes, nodes } = session
  known.node.getattr(attributes)
  nodes.seen(known, attributes)
  return { attrValid: attributesValid(session), attributes, flags: 0 }
}

/**
 * The open flags that have a meaning here: the same numbers on every architecture. The client has looked at the others itself.
 */
function meaningful(flags: number): number {
  return flags & MEANINGFUL
}

const MEANINGFUL =
  openFlags.ACCMODE |
  openFlags.EXCL |
  openFlags.TRUNC |
  openFlags.APPEND |
  openFlags.NONBLOCK |
  openFlags.DSYNC |
  openFlags.SYNC |
  openFlags.NOATIME

/** Opens a node, and returns its handle. */
function opened(session: FuseSessionState, nodeid: number, flags: number, uid: number): number {
  const known = session.nodes.get(nodeid)
  session.files.checkRoom()
  const host = has(session, init.WRITEBACK_CACHE) ? forWriteback(flags) : flags
  return session.files.add({ file: known.node.open(host, uid), node: known, flags: host, uid })
}

/** With a writeback cache the client reads pages that it writes a part of, and appends itself. */
function forWriteback(flags: number): number {
  const mode = flags & openFlags.ACCMODE
  const readable = mode === openFlags.WRONLY ? openFlags.RDWR : mode
  return (flags & ~(openFlags.ACCMODE | openFlags.APPEND)) | readable
}

/** The node of a file that was opened without asking; null for one with a handle. */
function unasked(session: FuseSessionState, fh: number, nodeid: number): KnownNode | null {
  if (fh !== NO_HANDLE || !session.tree.readOnly) return null
  return session.nodes.get(nodeid)
}

/** Makes and opens a file for CREATE and TMPFILE. */
function createIn(
  session: FuseSessionState,
  { flags, mode, umask }: T<'create'>,
  { nodeid, uid, gid }: RequestHeader,
  make: (
    above: KnownNode,
    flags: number,
    mode: number,
    owner: Owner,
  ) => { readonly node: Node; readonly file: OpenNode },
): R<'create'> {
  const above = session.nodes.get(nodeid)
  session.files.checkRoom()
  const its = newcomer(session, above.node, modes.FILE | mode, uid, gid, umask)
  const asked = has(session, init.WRITEBACK_CACHE) ? forWriteback(flags) : flags
  const host = meaningful(asked)
  const { node, file } = make(above, host, its.mode & modes.PERMISSIONS, its.owner)
  let known: KnownNode
  try {
    known = session.nodes.tell(node, session.attributes)
  } catch (error) {
    file.close()
    throw error
  }
  const fh = session.files.add({ file, node: known, flags: host, uid })
  return { entry: entryOf(session, known), fh, openFlags: session.caching.file }
}

/**
 * Owner and mode of a new file, which the client can be told of, as inode_init_owner of fs/inode.c has them: in a directory
 * with a setgid bit it gets the directory's group, and a new directory the bit as well.
 *
 * @param mode with the S_IFMT bits.
 * @param umask the process's. The client has applied it already unless there may be ACLs.
 * @throws ENFILE where the client knows as many nodes as it may.
 */
function newcomer(
  session: FuseSessionState,
  above: Node,
  mode: number,
  uid: number,
  gid: number,
  umask = 0,
): { readonly owner: Owner; readonly mode: number } {
  const { otherAttributes, nodes } = session
  nodes.checkRoom()
  above.getattr(otherAttributes)
  const isMasked = has(session, init.DONT_MASK) && !hasDefaultAcl(above)
  const its = isMasked ? mode & ~(umask & 0o777) : mode
  if ((otherAttributes.mode & modes.SETGID) === 0) return { owner: { uid, gid }, mode: its }
  const owner = { uid, gid: otherAttributes.gid }
  if ((mode & modes.TYPE) === modes.DIRECTORY) return { owner, mode: its | modes.SETGID }
  const isMember = uid === 0 || gid === owner.gid
  const runsAsGroup = (its & modes.SETGID) !== 0 && (its & modes.GROUP_EXECUTE) !== 0
  const isLeftToUs = session.features.minor < STRIPS_SETGID_MINOR
  return { owner, mode: isLeftToUs && runsAsGroup && !isMember ? its & ~modes.SETGID : its }
}

/**
 * Since Linux 6.0, the client takes the setgid bit from a program that someone makes who is not in its group, which comes
 * from the directory (mode_strip_sgid of fs/inode.c). This minor version is that of Linux 6.1. Before, file systems have to
 * do it; which other groups the process is in, they are not told.
 */
const STRIPS_SETGID_MINOR = 37

/** With a default ACL it is that which takes permissions from new files, and not the umask (acl(5)). */
function hasDefaultAcl(above: Node): boolean {
  if (above.names?.inheritsAcls !== true) return false
  try {
    return xattrsOf(above).getXattr('system.posix_acl_default').length > 0
  } catch (error) {
    if (error instanceof ErrnoError) return false
    throw error
  }
}

/** FSYNC of a file, and FSYNCDIR of a directory. */
function sync(session: FuseSessionState, { fh, flags }: T<'fsync'>): typeof done {
  if (fh !== NO_HANDLE) session.files.get(fh).file.fsync((flags & FSYNC_DATA_ONLY) !== 0)
  return done
}

/** Ends all locks of an owner in the file of a handle. A file that is lost has none. @throws EBADF. */
function unlock(
  { files, locks }: FuseSessionState,
  fh: number,
  kind: 'locks' | 'flocks',
  owner: bigint,
): void {
  if (files.isLost(fh)) return
  const { file } = files.get(fh)
  if (locks.held > 0 && !file.isDirectory) file[kind]?.unlock(WHOLE, lockOwner(locks, owner))
}

/** A node whose extended attributes are asked for. @throws ENOSYS where the guest is to have none, which it remembers. */
function attributed({ nodes, policy }: FuseSessionState, nodeid: number): Node {
  if (policy.xattrs === false) throw new ErrnoError(errno.ENOSYS, 'extended attributes')
  return nodes.get(nodeid).node
}

/** What READDIRPLUS tells of a name. A file that has gone meanwhile has nothing to tell. */
function describe(session: FuseSessionState, above: Node, name: string): Entry | undefined {
  try {
    const found = above.lookup(name, session.attributes)
    return entryOf(session, session.nodes.tell(found, session.attributes))
  } catch (error) {
    // The client then looks the name up, and hears of the failure if it matters.
    if (error instanceof ErrnoError) return undefined
    throw error
  }
}

/** The type of a directory's entry, for {@link EntryWriter}. A file that has gone meanwhile has none. */
function typeOf(above: Node, name: string): number {
  try {
    const found = above.lookup(name, null)
    try {
      return entryType(found.type)
    } finally {
      found.release()
    }
  } catch (error) {
    if (error instanceof ErrnoError) return entryTypes.UNKNOWN
    throw error
  }
}

/**
 * Shows entries as getdents(2) does. What fails after some were shown is for the next request to tell: the client has to hear
 * of the nodes among them.
 *
 * @returns how many bytes. @throws EINVAL where not even one entry has room, since none would mean the end.
 */
function list(directory: OpenDirectory, offset: bigint, entries: EntryWriter): number {
  try {
    directory.readdir(offset, entries)
  } catch (error) {
    if (!(error instanceof ErrnoError) || entries.bytes === 0) throw error
  }
  if (entries.isFull && entries.bytes === 0) throw new ErrnoError(errno.EINVAL, 'readdir size')
  return entries.bytes
}

function putBytes(session: FuseSessionState, bytes: Uint8Array): number {
  const into = session.reply.payload(bytes.length)
  if (into.length < bytes.length) throw new ErrnoError(errno.ERANGE, 'reply')
  fillPayload(into, bytes)
  return bytes.length
}

/** @param room how many bytes the client takes; 0 if it asks for the size. @throws ERANGE where these are too few. */
function putXattr(session: FuseSessionState, value: Uint8Array, room: number): number {
  if (room > 0) {
    if (value.length > room) throw new ErrnoError(errno.ERANGE, 'getxattr')
    return putBytes(session, value)
  }
  const size = Buffer.alloc(8)
  size.writeUInt32LE(value.length)
  return putBytes(session, size)
}

/**
 * The answer of SETLKW. Where the tree gives up waiting, the wait begins anew: a client cannot be told to ask again, since
 * its process would get an error.
 */
function waitForLock(lock: () => boolean | Deferred<boolean>): object | Deferred<object> {
  const first = lock()
  if (first === true) return done
  let cancel = (): void => {}
  const granted = new Deferred<object>(() => cancel())
  const wait = (answer: boolean | Deferred<boolean>): void => {
    if (answer === true) granted.resolve(done)
    else if (answer === false) granted.reject(new ErrnoError(errno.EAGAIN, 'lock'))
    else {
      cancel = () => answer.cancel()
      answer.wait((outcome) => {
        if (!outcome.ok) granted.reject(outcome.error)
        else if (outcome.value) granted.resolve(done)
        else again()
      })
    }
  }
  const again = (): void => {
    try {
      wait(lock())
    } catch (error) {
      granted.reject(error)
    }
  }
  wait(first)
  return granted
}
