import type { Client } from '../../src/9p/client.ts'
import { errno, ErrnoError } from '../../src/sys/errno.ts'
import {
  flags,
  payloadBytes,
  type Qid,
  qidType,
  type R,
  readDirent,
  Reader,
} from '../../src/9p/index.ts'
import { memoryOf } from '../support/frames.ts'
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

/** What the root of a tree and all directories in it have in common. */
interface Mount {
  readonly client: Client
  readonly mayChown: boolean
}

/** Never the same twice: what one behaviour leaves open is in no other one's way. */
let nextFid = 1000

/** A file that a fid stands for. */
interface Found {
  readonly fid: number
  readonly qid: Qid
}

/**
 * A 9P tree through our own client. It does what a kernel does above a file system: follows
 * symlinks, decides between opening and creating, and applies setgid directories.
 */
export class NineFs implements Fs {
  readonly #mount: Mount
  readonly #path: string
  readonly #paths: Paths<Found>

  /** Fid 0 of `client` is the root; fids from 1000 on are this one's. */
  static over(client: Client, mayChown: boolean): Fs {
    return new NineFs({ client, mayChown }, '')
  }

  private constructor(mount: Mount, path: string) {
    this.#mount = mount
    this.#path = path
    this.#paths = new Paths({
      root: () => this.#lookup(0, '.') as Promise<Found>,
      lookup: ({ fid }, name) => this.#lookup(fid, name),
      isSymlink: ({ qid }) => qid.type === qidType.symlink,
      readlink: async ({ fid }) => (await this.#call.readlink({ fid })).target,
      drop: async ({ fid }) => {
        await this.#call.clunk({ fid })
      },
    })
  }

  get mayChown(): boolean {
    return this.#mount.mayChown
  }

  in(directory: string): Fs {
    return new NineFs(this.#mount, `${this.#path}/${directory}`)
  }

  open(path: string, how: How): Promise<File> {
    return this.#at(path, !how.noFollow && !how.exclusive, async ({ parent, name, found }) => {
      if (found === null) {
        if (!how.create) throw failure('ENOENT')
        return this.#create(parent.fid, name, how)
      }
      if (how.create && how.exclusive) throw failure('EEXIST')
      if (found.qid.type === qidType.symlink) throw failure('ELOOP')
      if (how.create && found.qid.type === qidType.directory) throw failure('EISDIR')
      const fid = await this.#clone(found.fid)
      return this.#keep(fid, how, () => this.#call.lopen({ fid, flags: wireFlags(how) }))
    })
  }

  stat(path: string): Promise<Stat> {
    return this.#existing(path, true, (fid) => this.#stat(fid))
  }

  lstat(path: string): Promise<Stat> {
    return this.#existing(path, false, (fid) => this.#stat(fid))
  }

  mkdir(path: string, mode = 0o755): Promise<void> {
    return this.#at(path, false, async ({ parent, name, found }) => {
      if (found !== null) throw failure('EEXIST')
      const { gid, setgid } = await this.#groupFor(parent.fid)
      // mkdir(2) takes no setuid and setgid bits.
      const bits = (mode & 0o1777) | setgid
      await this.#call.mkdir({ dfid: parent.fid, name, mode: flags.mode.DIRECTORY | bits, gid })
    })
  }

  rmdir(path: string): Promise<void> {
    return this.#remove(path, flags.AT_REMOVEDIR)
  }

  unlink(path: string): Promise<void> {
    return this.#remove(path, 0)
  }

  rename(from: string, to: string): Promise<void> {
    return this.#at(from, false, (source) =>
      this.#at(to, false, async (target) => {
        await this.#call.renameat({
          olddirfid: source.parent.fid,
          oldname: source.name,
          newdirfid: target.parent.fid,
          newname: target.name,
        })
      }),
    )
  }

  link(existing: string, path: string): Promise<void> {
    return this.#existing(existing, false, (fid) =>
      this.#at(path, false, async ({ parent, name }) => {
        await this.#call.link({ dfid: parent.fid, fid, name })
      }),
    )
  }

  symlink(target: string, path: string): Promise<void> {
    return this.#at(path, false, async ({ parent, name }) => {
      const { gid } = await this.#groupFor(parent.fid)
      await this.#call.symlink({ dfid: parent.fid, name, symtgt: target, gid })
    })
  }

  readlink(path: string): Promise<string> {
    return this.#existing(path, false, async (fid) => (await this.#call.readlink({ fid })).target)
  }

  async readdir(path: string): Promise<Entry[]> {
    const listing = await this.#list(path, 0xffff_ffff)
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
    return this.#list(path, FEW_NAMES)
  }

  #list(path: string, count: number): Promise<Listing> {
    return this.#existing(path, true, async (found, qid) => {
      if (qid.type !== qidType.directory) throw failure('ENOTDIR')
      const fid = await this.#clone(found)
      await this.#call.lopen({ fid, flags: flags.open.DIRECTORY })
      return new NineListing(this.#mount.client, fid, count)
    })
  }

  chmod(path: string, mode: number): Promise<void> {
    return this.#existing(path, true, (fid) => this.#set(fid, flags.setattr.MODE, { mode }))
  }

  lchown(path: string, uid: number, gid: number): Promise<void> {
    return this.#existing(path, false, (fid) => chown(this.#mount.client, fid, uid, gid))
  }

  async truncate(path: string, size: number): Promise<void> {
    const file = await this.open(path, { access: 'rw' })
    try {
      await file.truncate(size)
    } finally {
      await file.close()
    }
  }

  lutimes(path: string, accessed: Time, modified: Time): Promise<void> {
    return this.#existing(path, false, (fid) => utimes(this.#mount.client, fid, accessed, modified))
  }

  statfs(path: string): ReturnType<Fs['statfs']> {
    return this.#existing(path, true, (fid) => this.#call.statfs({ fid }))
  }

  get #call(): Client['call'] {
    return this.#mount.client.call
  }

  #freeFid(): number {
    return nextFid++
  }

  async #clone(fid: number): Promise<number> {
    const newfid = this.#freeFid()
    await this.#call.walk({ fid, newfid, names: [] })
    return newfid
  }

  #at<V>(path: string, follow: boolean, act: (place: Place<Found>) => Promise<V>): Promise<V> {
    return this.#paths.at(`${this.#path}/${path}`, follow, act)
  }

  #existing<V>(
    path: string,
    follow: boolean,
    act: (fid: number, qid: Qid) => Promise<V>,
  ): Promise<V> {
    const at = `${this.#path}/${path}`
    return this.#paths.existing(at, follow, ({ fid, qid }) => act(fid, qid))
  }

  async #lookup(fid: number, name: string): Promise<Found | null> {
    const newfid = this.#freeFid()
    try {
      const { qids } = await this.#call.walk({ fid, newfid, names: name === '.' ? [] : [name] })
      const { qid } = qids[0] ? { qid: qids[0] } : await this.#call.getattr({ fid, mask: 1 })
      return { fid: newfid, qid }
    } catch (error) {
      if (error instanceof ErrnoError && error.errno === errno.ENOENT) return null
      throw error
    }
  }

  async #create(parent: number, name: string, how: How): Promise<File> {
    const { gid } = await this.#groupFor(parent)
    const mode = flags.mode.FILE | (how.mode ?? 0o644)
    const fid = await this.#clone(parent)
    return this.#keep(fid, how, () =>
      this.#call.lcreate({ fid, name, flags: wireFlags(how), mode, gid }),
    )
  }

  /** A file of `fid` once it is open; the fid is gone when it cannot be. */
  async #keep(fid: number, how: How, open: () => Promise<unknown>): Promise<File> {
    try {
      await open()
    } catch (error) {
      await this.#call.clunk({ fid })
      throw error
    }
    // As a kernel does; where it may not read, the server appends by itself.
    return new NineFile(this.#mount.client, fid, how.append === true && how.access === 'rw')
  }

  async #groupFor(directory: number): Promise<{ gid: number; setgid: number }> {
    const { mode, gid } = await this.#call.getattr({ fid: directory, mask: flags.getattr.BASIC })
    const setgid = mode & flags.mode.SETGID
    return setgid === 0 ? { gid: process.getgid!(), setgid: 0 } : { gid, setgid }
  }

  #remove(path: string, how: number): Promise<void> {
    return this.#at(path, false, async ({ parent, name }) => {
      await this.#call.unlinkat({ dirfid: parent.fid, name, flags: how })
    })
  }

  #set(fid: number, valid: number, changes: Record<string, number>): Promise<void> {
    return setattr(this.#mount.client, fid, valid, changes)
  }

  async #stat(fid: number): Promise<Stat> {
    return statOf(await this.#call.getattr({ fid, mask: flags.getattr.BASIC }))
  }
}

class NineFile implements File {
  readonly #client: Client
  readonly #fid: number
  readonly #appends: boolean

  constructor(client: Client, fid: number, appends: boolean) {
    this.#client = client
    this.#fid = fid
    this.#appends = appends
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const parts: Buffer[] = []
    let got = 0
    do {
      const request = { fid: this.#fid, offset: offset + got, count: length - got }
      const part = payloadBytes((await this.#client.call.read(request)).data)
      if (part.length === 0) break
      parts.push(part)
      got += part.length
    } while (got < length)
    return Buffer.concat(parts)
  }

  async write(offset: number, bytes: Uint8Array): Promise<number> {
    const memory = memoryOf(bytes)
    const most = this.#client.msize - 24
    const start = this.#appends ? (await this.stat()).size : offset
    let sent = 0
    do {
      const data = { memory, offset: sent, length: Math.min(most, bytes.length - sent) }
      const write = { fid: this.#fid, offset: start + sent, data }
      sent += (await this.#client.call.write(write)).count
    } while (sent < bytes.length)
    return sent
  }

  truncate(size: number): Promise<void> {
    return setattr(this.#client, this.#fid, flags.setattr.SIZE, { size })
  }

  chmod(mode: number): Promise<void> {
    return setattr(this.#client, this.#fid, flags.setattr.MODE, { mode })
  }

  chown(uid: number, gid: number): Promise<void> {
    return chown(this.#client, this.#fid, uid, gid)
  }

  utimes(accessed: Time, modified: Time): Promise<void> {
    return utimes(this.#client, this.#fid, accessed, modified)
  }

  async stat(): Promise<Stat> {
    const mask = flags.getattr.BASIC
    return statOf(await this.#client.call.getattr({ fid: this.#fid, mask }))
  }

  async sync(): Promise<void> {
    await this.#client.call.fsync({ fid: this.#fid, datasync: 0 })
  }

  async datasync(): Promise<void> {
    await this.#client.call.fsync({ fid: this.#fid, datasync: 1 })
  }

  async close(): Promise<void> {
    await this.#client.call.clunk({ fid: this.#fid })
  }
}

async function setattr(
  client: Client,
  fid: number,
  valid: number,
  changes: Record<string, number>,
): Promise<void> {
  const none = { mode: 0, uid: 0, gid: 0, size: 0 }
  const times = { atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0 }
  await client.call.setattr({ fid, valid, ...none, ...times, ...changes })
}

async function chown(client: Client, fid: number, uid: number, gid: number): Promise<void> {
  const { UID, GID } = flags.setattr
  const valid = (uid === UNCHANGED ? 0 : UID) | (gid === UNCHANGED ? 0 : GID)
  await setattr(client, fid, valid, { uid, gid })
}

async function utimes(client: Client, fid: number, accessed: Time, modified: Time): Promise<void> {
  const { ATIME, ATIME_SET, MTIME, MTIME_SET } = flags.setattr
  const [atimeSec, atimeNsec] = timespec(accessed)
  const [mtimeSec, mtimeNsec] = timespec(modified)
  const valid = validTime(accessed, ATIME, ATIME_SET) | validTime(modified, MTIME, MTIME_SET)
  await setattr(client, fid, valid, { atimeSec, atimeNsec, mtimeSec, mtimeNsec })
}

function validTime(time: Time, bit: number, setBit: number): number {
  return time === 'keep' ? 0 : time === 'now' ? bit : bit | setBit
}

class NineListing implements Listing {
  readonly #client: Client
  readonly #fid: number
  readonly #count: number
  #offset = 0n

  constructor(client: Client, fid: number, count: number) {
    this.#client = client
    this.#fid = fid
    this.#count = count
  }

  async next(): Promise<Listed[]> {
    const request = { fid: this.#fid, offset: this.#offset, count: this.#count }
    const { data } = await this.#client.call.readdir(request).catch((error: unknown) => {
      // A directory that is removed, as readdir(3) has it.
      if (error instanceof ErrnoError && error.errno === errno.ENOENT)
        return { data: { memory: nothing, offset: 0, length: 0 } }
      throw error
    })
    const entries: Listed[] = []
    const from = new Reader(data.memory)
    from.over(data.memory, data.offset, data.offset + data.length)
    while (from.position < from.end) {
      const { name, type, offset } = readDirent(from)
      entries.push({ name, kind: entryKinds[type] ?? 'other', cookie: offset })
      this.#offset = offset
    }
    return entries
  }

  async seek(cookie: bigint): Promise<void> {
    this.#offset = cookie
  }

  async close(): Promise<void> {
    await this.#client.call.clunk({ fid: this.#fid })
  }
}

const nothing = memoryOf(Buffer.alloc(0))

/** Room for two or three of the longest. */
const FEW_NAMES = 700

/** DT_* of dirent.h. */
const entryKinds: Record<number, Kind> = { 4: 'directory', 8: 'file', 10: 'symlink' }

function wireFlags(how: How): number {
  const { open } = flags
  let value = { r: open.RDONLY, w: open.WRONLY, rw: open.RDWR }[how.access] | open.LARGEFILE
  if (how.create) value |= open.CREAT
  if (how.exclusive) value |= open.EXCL
  if (how.truncate) value |= open.TRUNC
  if (how.append) value |= open.APPEND
  if (how.directory) value |= open.DIRECTORY
  if (how.noFollow) value |= open.NOFOLLOW
  return value
}

function statOf(attributes: R<'getattr'>): Stat {
  const { mode, uid, gid, nlink, size, blocks, qid } = attributes
  const kinds: Record<number, Kind> = {
    [flags.mode.FILE]: 'file',
    [flags.mode.DIRECTORY]: 'directory',
    [flags.mode.SYMLINK]: 'symlink',
  }
  return {
    kind: kinds[mode & flags.mode.TYPE] ?? 'other',
    mode: mode & flags.mode.PERMISSIONS,
    uid,
    gid,
    nlink,
    size,
    blocks,
    ino: qid.path,
    atime: nanoseconds(attributes.atimeSec, attributes.atimeNsec),
    mtime: nanoseconds(attributes.mtimeSec, attributes.mtimeNsec),
    ctime: nanoseconds(attributes.ctimeSec, attributes.ctimeNsec),
  }
}

function nanoseconds(seconds: number, rest: number): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(rest)
}

function timespec(time: Time): [seconds: number, nanoseconds: number] {
  if (typeof time === 'string') return [0, 0]
  const rest = ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  return [Number((time - rest) / 1_000_000_000n), Number(rest)]
}
