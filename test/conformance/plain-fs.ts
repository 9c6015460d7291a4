import { type BigIntStats, constants, type Dirent } from 'node:fs'
import * as node from 'node:fs/promises'
import type { Entry, File, Fs, How, Kind, Stat } from './fs.ts'

/** A directory through the kernel of the machine that this runs on. */
export class PlainFs implements Fs {
  readonly mayChown = process.geteuid!() === 0
  readonly #root: string

  /** @param root a byte string. */
  constructor(root: string) {
    this.#root = root
  }

  in(directory: string): Fs {
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

  chmod(path: string, mode: number): Promise<void> {
    return node.chmod(this.#path(path), mode)
  }

  lchown(path: string, uid: number, gid: number): Promise<void> {
    return node.lchown(this.#path(path), uid, gid)
  }

  truncate(path: string, size: number): Promise<void> {
    return node.truncate(this.#path(path), size)
  }

  lutimes(path: string, accessed: number, modified: number): Promise<void> {
    // As dates: a negative number of seconds means "now" to Node.
    const [at, mt] = [new Date(accessed * 1000), new Date(modified * 1000)]
    return node.lutimes(this.#path(path), at, mt)
  }

  statfs(path: string): ReturnType<Fs['statfs']> {
    return node
      .statfs(this.#path(path), { bigint: true })
      .then(({ bsize, ...counts }) => ({ bsize: Number(bsize), ...counts }))
  }

  #path(path: string): Buffer {
    return Buffer.from(`${this.#root}/${path}`, 'latin1')
  }
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
  return of.isSymbolicLink() ? 'symlink' : 'other'
}
