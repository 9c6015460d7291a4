import { FSYNC_DATA_ONLY, GETATTR_FH, setattr } from '../../src/fuse/wire/flags.ts'
import type { FileAttributes } from '../../src/fuse/wire/kinds.ts'
import { ROOT_ID } from '../../src/fuse/wire/limits.ts'
import type { R } from '../../src/fuse/wire/messages.ts'
import { errno, ErrnoError } from '../../src/sys/errno.ts'
import { payloadBytes } from '../../src/sys/memory.ts'
import { modes, openFlags } from '../../src/tree/flags.ts'
import type { FuseClient, Methods } from '../support/fuse/client.ts'
import { entriesIn, plusEntriesIn } from '../support/fuse/directory-entries.ts'
import { type Asked, payload, type Target } from '../support/fuse/requests.ts'
import {
  type Entry,
  type File,
  type Fs,
  type How,
  type Kind,
  type Listed,
  type Listing,
  type Stat,
  type Time,
  UNCHANGED,
} from './fs.ts'
import { failure, Paths, type Place } from './paths.ts'

/** How often the server has told of a node, and how often it is in use here: as an inode of the kernel's. */
interface Inode {
  lookups: number
  uses: number
}

/** What the root of a tree and all directories in it have in common. */
class Mount {
  readonly client: FuseClient
  readonly mayChown: boolean
  /** The most bytes of one READ, WRITE or READDIRPLUS. */
  readonly most: number
  readonly #inodes = new Map<number, Inode>()

  constructor(client: FuseClient, mayChown: boolean, most: number) {
    this.client = client
    this.mayChown = mayChown
    this.most = most
  }

  /** The server has told of a node, which is in use from now on. */
  told(nodeid: number): void {
    const inode = this.#inodes.get(nodeid)
    if (inode === undefined) this.#inodes.set(nodeid, { lookups: 1, uses: 1 })
    else {
      inode.lookups++
      inode.uses++
    }
  }

  /** A node that is in use is in use once more. */
  hold(nodeid: number): void {
    const inode = this.#inodes.get(nodeid)
    if (inode !== undefined) inode.uses++
  }

  /** A node is used once less. What is not used any more is forgotten. */
  async drop(nodeid: number): Promise<void> {
    const inode = this.#inodes.get(nodeid)
    if (inode === undefined || --inode.uses > 0) return
    this.#inodes.delete(nodeid)
    await this.client.call.forget({ count: inode.lookups }, { nodeid })
  }

  /** A request about a node, of the process that runs this. */
  about(nodeid: number): Target {
    return { nodeid, uid: process.getuid!(), gid: process.getgid!(), pid: process.pid }
  }

  async change(nodeid: number, changes: Asked<'setattr'>): Promise<void> {
    await this.client.call.setattr(changes, this.about(nodeid))
  }
}

/** A node that is in use. */
interface Found {
  readonly nodeid: number
  /** The S_IFMT bits. */
  readonly type: number
}

/**
 * A FUSE tree through the tests' client. It does what a kernel does above a file system: follows symlinks, decides between
 * opening and creating, forgets what it does not use any more. It caches nothing.
 */
export class FuseFs implements Fs {
  readonly #mount: Mount
  readonly #path: string
  readonly #paths: Paths<Found>

  static over(client: FuseClient, mayChown: boolean, most: number): Fs {
    return new FuseFs(new Mount(client, mayChown, most), '')
  }

  private constructor(mount: Mount, path: string) {
    this.#mount = mount
    this.#path = path
    this.#paths = new Paths<Found>({
      root: () => Promise.resolve({ nodeid: ROOT_ID, type: modes.DIRECTORY }),
      lookup: (directory, name) => this.#lookup(directory, name),
      isSymlink: ({ type }) => type === modes.SYMLINK,
      readlink: (found) => this.#target(found),
      drop: ({ nodeid }) => this.#mount.drop(nodeid),
    })
  }

  get mayChown(): boolean {
    return this.#mount.mayChown
  }

  in(directory: string): Fs {
    return new FuseFs(this.#mount, `${this.#path}/${directory}`)
  }

  open(path: string, how: How): Promise<File> {
    return this.#at(path, !how.noFollow && !how.exclusive, async ({ parent, name, found }) => {
      if (found === null) {
        if (!how.create) throw failure('ENOENT')
        return this.#create(parent, name, how)
      }
      if (how.create && how.exclusive) throw failure('EEXIST')
      if (found.type === modes.SYMLINK) throw failure('ELOOP')
      const isDirectory = found.type === modes.DIRECTORY
      if (isDirectory && (how.create || how.access !== 'r')) throw failure('EISDIR')
      if (how.directory && !isDirectory) throw failure('ENOTDIR')
      const about = this.#about(found.nodeid)
      const flags = openFlagsOf(how)
      const { fh } = isDirectory
        ? await this.#call.opendir({ flags }, about)
        : await this.#call.open({ flags }, about)
      // An open file keeps its node.
      this.#mount.hold(found.nodeid)
      return new FuseFile(this.#mount, found.nodeid, fh, {
        isDirectory,
        appends: appendsItself(how),
      })
    })
  }

  stat(path: string): Promise<Stat> {
    return this.#existing(path, true, (found) => this.#stat(found))
  }

  lstat(path: string): Promise<Stat> {
    return this.#existing(path, false, (found) => this.#stat(found))
  }

  mkdir(path: string, mode = 0o755): Promise<void> {
    return this.#at(path, false, async ({ parent, name, found }) => {
      if (found !== null) throw failure('EEXIST')
      // mkdir(2) takes no setuid and setgid bits.
      const made = await this.#call.mkdir({ name, mode: mode & 0o1777 }, this.#about(parent.nodeid))
      await this.#made(made)
    })
  }

  rmdir(path: string): Promise<void> {
    return this.#at(path, false, async ({ parent, name }) => {
      if (name === '..') throw failure('ENOTEMPTY')
      if (name === '.') throw failure('EINVAL')
      await this.#call.rmdir({ name }, this.#about(parent.nodeid))
    })
  }

  unlink(path: string): Promise<void> {
    return this.#at(path, false, async ({ parent, name }) => {
      if (isDots(name)) throw failure('EISDIR')
      await this.#call.unlink({ name }, this.#about(parent.nodeid))
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.#at(from, false, (source) =>
      this.#at(to, false, async (target) => {
        if (isDots(source.name) || isDots(target.name)) throw failure('EBUSY')
        const names = { oldname: source.name, newname: target.name }
        const newdir = target.parent.nodeid
        await this.#call.rename({ newdir, ...names }, this.#about(source.parent.nodeid))
      }),
    )
  }

  link(existing: string, path: string): Promise<void> {
    return this.#existing(existing, false, ({ nodeid: oldnodeid }) =>
      this.#at(path, false, async ({ parent, name }) => {
        const linked = await this.#call.link({ oldnodeid, name }, this.#about(parent.nodeid))
        await this.#made(linked)
      }),
    )
  }

  symlink(target: string, path: string): Promise<void> {
    return this.#at(path, false, async ({ parent, name }) => {
      const made = await this.#call.symlink({ name, target }, this.#about(parent.nodeid))
      await this.#made(made)
    })
  }

  readlink(path: string): Promise<string> {
    return this.#existing(path, false, (found) => this.#target(found))
  }

  async readdir(path: string): Promise<Entry[]> {
    const listing = await this.#list(path, this.#mount.most, 'plus')
    const entries: Entry[] = []
    for (;;) {
      const some = await listing.next()
      if (some.length === 0) break
      for (const { name, kind } of some) {
        if (name !== '.' && name !== '..') entries.push({ name, kind })
      }
    }
    await listing.close()
    return entries
  }

  list(path: string): Promise<Listing> {
    return this.#list(path, FEW_NAMES, 'names')
  }

  #list(path: string, size: number, what: 'names' | 'plus'): Promise<Listing> {
    return this.#existing(path, true, async ({ nodeid, type }) => {
      if (type !== modes.DIRECTORY) throw failure('ENOTDIR')
      const { fh } = await this.#call.opendir({}, this.#about(nodeid))
      this.#mount.hold(nodeid)
      return new FuseListing(this.#mount, nodeid, fh, size, what)
    })
  }

  chmod(path: string, mode: number): Promise<void> {
    return this.#existing(path, true, ({ nodeid }) =>
      this.#mount.change(nodeid, { valid: setattr.MODE, mode }),
    )
  }

  lchown(path: string, uid: number, gid: number): Promise<void> {
    return this.#existing(path, false, ({ nodeid }) =>
      this.#mount.change(nodeid, ownerChange(uid, gid)),
    )
  }

  truncate(path: string, size: number): Promise<void> {
    return this.#existing(path, true, ({ nodeid, type }) => {
      // As vfs_truncate of fs/open.c.
      if (type === modes.DIRECTORY) throw failure('EISDIR')
      if (type !== modes.FILE) throw failure('EINVAL')
      return this.#mount.change(nodeid, { valid: setattr.SIZE, size })
    })
  }

  lutimes(path: string, accessed: Time, modified: Time): Promise<void> {
    return this.#existing(path, false, ({ nodeid }) =>
      this.#mount.change(nodeid, timeChange(accessed, modified)),
    )
  }

  statfs(path: string): ReturnType<Fs['statfs']> {
    return this.#existing(path, true, ({ nodeid }) => this.#call.statfs({}, this.#about(nodeid)))
  }

  get #call(): Methods {
    return this.#mount.client.call
  }

  #about(nodeid: number): Target {
    return this.#mount.about(nodeid)
  }

  #at<V>(path: string, follow: boolean, act: (place: Place<Found>) => Promise<V>): Promise<V> {
    return this.#paths.at(`${this.#path}/${path}`, follow, act)
  }

  #existing<V>(path: string, follow: boolean, act: (found: Found) => Promise<V>): Promise<V> {
    return this.#paths.existing(`${this.#path}/${path}`, follow, act)
  }

  /** A node that was made is not used before it is looked up. */
  async #made({ entry: { nodeid } }: R<'mkdir'>): Promise<void> {
    this.#mount.told(nodeid)
    await this.#mount.drop(nodeid)
  }

  async #create(parent: Found, name: string, how: How): Promise<File> {
    const request = {
      name,
      flags: openFlagsOf(how),
      mode: modes.FILE | (how.mode ?? 0o644),
    }
    const { entry, fh } = await this.#call.create(request, this.#about(parent.nodeid))
    this.#mount.told(entry.nodeid)
    return new FuseFile(this.#mount, entry.nodeid, fh, { appends: appendsItself(how) })
  }

  async #target({ nodeid }: Found): Promise<string> {
    const { data } = await this.#call.readlink({}, this.#about(nodeid))
    return payloadBytes(data).toString('latin1')
  }

  async #stat({ nodeid }: Found): Promise<Stat> {
    const { attributes } = await this.#call.getattr({}, this.#about(nodeid))
    return statOf(attributes.attributes)
  }

  async #lookup({ nodeid, type }: Found, name: string): Promise<Found | null> {
    if (name === '.') {
      this.#mount.hold(nodeid)
      return { nodeid, type }
    }
    try {
      const { entry } = await this.#call.lookup({ name }, this.#about(nodeid))
      // The client may remember that there is no such name.
      if (entry.nodeid === 0) return null
      this.#mount.told(entry.nodeid)
      return { nodeid: entry.nodeid, type: entry.attributes.mode & modes.TYPE }
    } catch (error) {
      if (error instanceof ErrnoError && error.errno === errno.ENOENT) return null
      throw error
    }
  }
}

class FuseFile implements File {
  readonly #mount: Mount
  readonly #nodeid: number
  readonly #fh: number
  readonly #isDirectory: boolean
  readonly #appends: boolean

  constructor(
    mount: Mount,
    nodeid: number,
    fh: number,
    { isDirectory = false, appends = false } = {},
  ) {
    this.#mount = mount
    this.#nodeid = nodeid
    this.#fh = fh
    this.#isDirectory = isDirectory
    this.#appends = appends
  }

  async read(offset: number, length: number): Promise<Buffer> {
    if (this.#isDirectory) throw failure('EISDIR')
    const parts: Buffer[] = []
    let got = 0
    do {
      const size = Math.min(this.#mount.most, length - got)
      const request = { fh: this.#fh, offset: offset + got, size }
      const part = payloadBytes((await this.#call.read(request, this.#about)).data)
      if (part.length === 0) break
      parts.push(part)
      got += part.length
    } while (got < length)
    return Buffer.concat(parts)
  }

  async write(offset: number, bytes: Uint8Array): Promise<number> {
    const start = this.#appends ? (await this.stat()).size : offset
    let sent = 0
    do {
      const data = payload(bytes.subarray(sent, sent + this.#mount.most))
      const request = { fh: this.#fh, offset: start + sent, data }
      sent += (await this.#call.write(request, this.#about)).size
    } while (sent < bytes.length)
    return sent
  }

  truncate(size: number): Promise<void> {
    return this.#change({ valid: setattr.SIZE, size })
  }

  chmod(mode: number): Promise<void> {
    return this.#change({ valid: setattr.MODE, mode })
  }

  chown(uid: number, gid: number): Promise<void> {
    return this.#change(ownerChange(uid, gid))
  }

  utimes(accessed: Time, modified: Time): Promise<void> {
    return this.#change(timeChange(accessed, modified))
  }

  async stat(): Promise<Stat> {
    const request = { flags: GETATTR_FH, fh: this.#fh }
    const { attributes } = await this.#call.getattr(request, this.#about)
    return statOf(attributes.attributes)
  }

  async sync(): Promise<void> {
    await this.#sync(0)
  }

  async datasync(): Promise<void> {
    await this.#sync(FSYNC_DATA_ONLY)
  }

  async #sync(flags: number): Promise<void> {
    const request = { fh: this.#fh, flags }
    if (this.#isDirectory) await this.#call.fsyncdir(request, this.#about)
    else await this.#call.fsync(request, this.#about)
  }

  async close(): Promise<void> {
    if (this.#isDirectory) await this.#call.releasedir({ fh: this.#fh }, this.#about)
    else {
      await this.#call.flush({ fh: this.#fh }, this.#about)
      await this.#call.release({ fh: this.#fh }, this.#about)
    }
    await this.#mount.drop(this.#nodeid)
  }

  #change(changes: Asked<'setattr'> & { readonly valid: number }): Promise<void> {
    const valid = changes.valid | setattr.FH
    return this.#mount.change(this.#nodeid, { ...changes, valid, fh: this.#fh })
  }

  get #call(): Methods {
    return this.#mount.client.call
  }

  get #about(): Target {
    return this.#mount.about(this.#nodeid)
  }
}

class FuseListing implements Listing {
  readonly #mount: Mount
  readonly #nodeid: number
  readonly #fh: number
  readonly #size: number
  readonly #what: 'names' | 'plus'
  #offset = 0n

  /** @param what READDIR or READDIRPLUS. */
  constructor(mount: Mount, nodeid: number, fh: number, size: number, what: 'names' | 'plus') {
    this.#mount = mount
    this.#nodeid = nodeid
    this.#fh = fh
    this.#size = size
    this.#what = what
  }

  async next(): Promise<Listed[]> {
    const request = { fh: this.#fh, offset: this.#offset, size: this.#size }
    const about = this.#mount.about(this.#nodeid)
    const { call } = this.#mount.client
    const listed: Listed[] = []
    try {
      if (this.#what === 'names') {
        const { data } = await call.readdir(request, about)
        for (const { name, type, cookie } of entriesIn(data)) {
          listed.push({ name, kind: kindOf(type << 12), cookie })
        }
      } else {
        const { data } = await call.readdirplus(request, about)
        for (const { name, type, cookie, entry } of plusEntriesIn(data)) {
          listed.push({ name, kind: kindOf(type << 12), cookie })
          if (entry.nodeid === 0) continue
          this.#mount.told(entry.nodeid)
          await this.#mount.drop(entry.nodeid)
        }
      }
    } catch (error) {
      // A directory that is removed, as readdir(3) has it.
      if (!(error instanceof ErrnoError) || error.errno !== errno.ENOENT) throw error
    }
    this.#offset = listed.at(-1)?.cookie ?? this.#offset
    return listed
  }

  seek(cookie: bigint): Promise<void> {
    this.#offset = cookie
    return Promise.resolve()
  }

  async close(): Promise<void> {
    const about = this.#mount.about(this.#nodeid)
    await this.#mount.client.call.releasedir({ fh: this.#fh }, about)
    await this.#mount.drop(this.#nodeid)
  }
}

/** What the kernel decides about by itself (LAST_DOT and LAST_DOTDOT of fs/namei.c). */
function isDots(name: string): boolean {
  return name === '.' || name === '..'
}

/** Room for two or three of the longest. */
const FEW_NAMES = 700

/** As a kernel does; where it may not read, the server appends by itself. */
function appendsItself(how: How): boolean {
  return how.append === true && how.access === 'rw'
}

function openFlagsOf(how: How): number {
  let value: number = { r: openFlags.RDONLY, w: openFlags.WRONLY, rw: openFlags.RDWR }[how.access]
  if (how.exclusive) value |= openFlags.EXCL
  if (how.truncate) value |= openFlags.TRUNC
  if (how.append) value |= openFlags.APPEND
  return value
}

function ownerChange(
  uid: number,
  gid: number,
): { readonly valid: number; readonly uid: number; readonly gid: number } {
  const { UID, GID } = setattr
  const valid = (uid === UNCHANGED ? 0 : UID) | (gid === UNCHANGED ? 0 : GID)
  return { valid, uid, gid }
}

function timeChange(accessed: Time, modified: Time): Asked<'setattr'> & { readonly valid: number } {
  const { ATIME, ATIME_NOW, MTIME, MTIME_NOW } = setattr
  const [atimeSec, atimeNsec] = timespec(accessed)
  const [mtimeSec, mtimeNsec] = timespec(modified)
  const valid = validTime(accessed, ATIME, ATIME_NOW) | validTime(modified, MTIME, MTIME_NOW)
  return { valid, atimeSec, atimeNsec, mtimeSec, mtimeNsec }
}

function validTime(time: Time, bit: number, nowBit: number): number {
  return time === 'keep' ? 0 : time === 'now' ? bit | nowBit : bit
}

function timespec(time: Time): [seconds: number, nanoseconds: number] {
  if (typeof time === 'string') return [0, 0]
  const rest = ((time % SECOND) + SECOND) % SECOND
  return [Number((time - rest) / SECOND), Number(rest)]
}

const SECOND = 1_000_000_000n

const kinds: Record<number, Kind> = {
  [modes.FILE]: 'file',
  [modes.DIRECTORY]: 'directory',
  [modes.SYMLINK]: 'symlink',
  [modes.FIFO]: 'fifo',
  [modes.SOCKET]: 'socket',
}

function kindOf(mode: number): Kind {
  return kinds[mode & modes.TYPE] ?? 'other'
}

function statOf(attributes: FileAttributes): Stat {
  const { mode, uid, gid, nlink, size, blocks, ino } = attributes
  return {
    kind: kindOf(mode),
    mode: mode & modes.PERMISSIONS,
    uid,
    gid,
    nlink,
    size,
    blocks,
    ino,
    atime: nanoseconds(attributes.atimeSec, attributes.atimeNsec),
    mtime: nanoseconds(attributes.mtimeSec, attributes.mtimeNsec),
    ctime: nanoseconds(attributes.ctimeSec, attributes.ctimeNsec),
  }
}

function nanoseconds(seconds: number, rest: number): bigint {
  return BigInt(seconds) * SECOND + BigInt(rest)
}
