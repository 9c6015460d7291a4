import { type BigIntStats, closeSync, constants, type Dirent } from 'node:fs'
import * as node from 'node:fs/promises'
import type {
  Entry,
  File,
  Fs,
  How,
  KernelFs,
  Kind,
  Listed,
  Listing,
  Stat,
  Time,
  User,
} from './fs.ts'
import * as system from './system.ts'

/** A directory through the kernel of the machine that this runs on. */
export class PlainFs implements KernelFs {
  readonly mayChown = process.geteuid!() === 0
  readonly #root: string

  /** @param root a byte string. */
  constructor(root: string) {
    this.#root = root
  }

  in(directory: string): KernelFs {
    return new PlainFs(`${this.#root}/${directory}`)
  }

  async open(path: string, how: How): Promise<File> {
    return new PlainFile(await node.open(this.#path(path), flags(how), how.mode ?? 0o644))
  }

  async stat(path: string): Promise<Stat> {
    return statOf(await node.stat(this.#path(path), { bigint: true }))
  }

  async lstat(path: string): Promise<Stat> {
    return statOf(await node.lstat(this.#path(path), { bigint: true }))
  }

  async mkdir(path: string, mode = 0o755): Promise<void> {
    await node.mkdir(this.#path(path), mode)
  }

  rmdir(path: string): Promise<void> {
    return node.rmdir(this.#path(path))
  }

  unlink(path: string): Promise<void> {
    return node.unlink(this.#path(path))
  }

  rename(from: string, to: string): Promise<void> {
    return node.rename(this.#path(from), this.#path(to))
  }

  link(existing: string, path: string): Promise<void> {
    return node.link(this.#path(existing), this.#path(path))
  }

  symlink(target: string, path: string): Promise<void> {
    return node.symlink(Buffer.from(target, 'latin1'), this.#path(path))
  }

  async readlink(path: string): Promise<string> {
    return (await node.readlink(this.#path(path), 'buffer')).toString('latin1')
  }

  async readdir(path: string): Promise<Entry[]> {
    // The bytes of names as characters: what this project calls a byte string.
    const options = { encoding: 'latin1', withFileTypes: true } as const
    const entries = await node.readdir(this.#path(path), options)
    return entries.map((entry) => ({ name: entry.name, kind: kindOf(entry) }))
  }

  async list(path: string): Promise<Listing> {
    const { O_RDONLY, O_DIRECTORY } = constants
    return new PlainListing(system.open(this.path(path), O_RDONLY | O_DIRECTORY))
  }

  chmod(path: string, mode: number): Promise<void> {
    return node.chmod(this.#path(path), mode)
  }

  async lchown(path: string, uid: number, gid: number): Promise<void> {
    // Node takes no number for "leave it as it is".
    system.lchown(this.path(path), uid, gid)
  }

  truncate(path: string, size: number): Promise<void> {
    return node.truncate(this.#path(path), size)
  }

  async lutimes(path: string, accessed: Time, modified: Time): Promise<void> {
    // Node's own counts in floating-point seconds.
    system.lutimens(this.path(path), accessed, modified)
  }

  statfs(path: string): ReturnType<Fs['statfs']> {
    return node
      .statfs(this.#path(path), { bigint: true })
      .then(({ bsize, ...counts }) => ({ bsize: Number(bsize), ...counts }))
  }

  path(path: string): string {
    return `${this.#root}/${path}`
  }

  async as<T>({ uid, gid, groups = [] }: User, act: () => Promise<T>): Promise<T> {
    const before = {
      uid: process.geteuid!(),
      gid: process.getegid!(),
      groups: process.getgroups!(),
    }
    try {
      process.setgroups!([...groups])
      process.setegid!(gid)
      process.seteuid!(uid)
      return await act()
    } finally {
      process.seteuid!(before.uid)
      process.setegid!(before.gid)
      process.setgroups!(before.groups)
    }
  }

  #path(path: string): Buffer {
    return Buffer.from(this.path(path), 'latin1')
  }
}

class PlainListing implements Listing {
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  async next(): Promise<Listed[]> {
    try {
      return system.getdents(this.#fd, FEW_NAMES).map(({ name, type, offset }) => {
        return { name, kind: entryKinds[type] ?? 'other', cookie: offset }
      })
    } catch (error) {
      // A directory that is removed, as readdir(3) has it.
      if (error instanceof system.SystemError && error.code === 'ENOENT') return []
      throw error
    }
  }

  async seek(cookie: bigint): Promise<void> {
    system.lseek(this.#fd, cookie, 0)
  }

  async close(): Promise<void> {
    closeSync(this.#fd)
  }
}

/** Room for two or three of the longest. */
const FEW_NAMES = 700

/** DT_* of dirent.h. */
const entryKinds: Record<number, Kind> = {
  1: 'fifo',
  4: 'directory',
  8: 'file',
  10: 'symlink',
  12: 'socket',
}

class PlainFile implements File {
  readonly #handle: node.FileHandle

  constructor(handle: node.FileHandle) {
    this.#handle = handle
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.alloc(length)
    const { bytesRead } = await this.#handle.read(buffer, 0, length, offset)
    return buffer.subarray(0, bytesRead)
  }

  async write(offset: number, bytes: Uint8Array): Promise<number> {
    const { bytesWritten } = await this.#handle.write(bytes, 0, bytes.length, offset)
    return bytesWritten
  }

  truncate(size: number): Promise<void> {
    return this.#handle.truncate(size)
  }

  chmod(mode: number): Promise<void> {
    return this.#handle.chmod(mode)
  }

  async chown(uid: number, gid: number): Promise<void> {
    system.fchown(this.#handle.fd, uid, gid)
  }

  async utimes(accessed: Time, modified: Time): Promise<void> {
    system.futimens(this.#handle.fd, accessed, modified)
  }

  async stat(): Promise<Stat> {
    return statOf(await this.#handle.stat({ bigint: true }))
  }

  sync(): Promise<void> {
    return this.#handle.sync()
  }

  datasync(): Promise<void> {
    return this.#handle.datasync()
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

function flags(how: How): number {
  const { O_RDONLY, O_WRONLY, O_RDWR } = constants
  let value = { r: O_RDONLY, w: O_WRONLY, rw: O_RDWR }[how.access]
  if (how.create) value |= constants.O_CREAT
  if (how.exclusive) value |= constants.O_EXCL
  if (how.truncate) value |= constants.O_TRUNC
  if (how.append) value |= constants.O_APPEND
  if (how.directory) value |= constants.O_DIRECTORY
  if (how.noFollow) value |= constants.O_NOFOLLOW
  return value
}

function statOf(stat: BigIntStats): Stat {
  return {
    kind: kindOf(stat),
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    nlink: Number(stat.nlink),
    size: Number(stat.size),
    ino: stat.ino,
    blocks: Number(stat.blocks),
    atime: stat.atimeNs,
    mtime: stat.mtimeNs,
    ctime: stat.ctimeNs,
  }
}

function kindOf(of: BigIntStats | Dirent): Kind {
  if (of.isFile()) return 'file'
  if (of.isDirectory()) return 'directory'
  if (of.isFIFO()) return 'fifo'
  if (of.isSocket()) return 'socket'
  return of.isSymbolicLink() ? 'symlink' : 'other'
}
