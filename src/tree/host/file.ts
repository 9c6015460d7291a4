import { ErrnoError, errno } from '../../sys/errno.ts'
import {
  copyFileRange,
  fallocate,
  fdatasync,
  fsync,
  lseek,
  pread,
  pwrite,
} from '../../sys/files.ts'
import { preadv, pwritev } from '../../sys/vectors.ts'
import type { Payload } from '../../sys/memory.ts'
import type { Deferred } from '../deferred.ts'
import type { DirectoryVisitor } from '../directory.ts'
import type { Keeper, OpenDirectory, OpenFile, Space } from '../tree.ts'
import { CANNOT_TELL, readIfCached } from './cached-read.ts'
import type { ColdReads } from './cold-reads.ts'
import type { Holder } from './descriptors.ts'
import { type EntryRules, readEntries } from './entries.ts'
import { FileLocks, type LockTable } from './host-locks.ts'
import type { HostContext } from './policy.ts'

/** For lseek(2) (include/uapi/linux/fs.h). */
const SEEK_DATA = 3
const SEEK_HOLE = 4

/** What an open file needs of the node that it was opened from. */
interface OpenedNode {
  /** See privileges.ts. */
  dropPrivileges(fd: number): void
  /** Registers what may have an open file closed, see OpenFile.lend. */
  lend(keeper: Keeper): Holder
  /**
   * One of its open files is about to be closed.
   *
   * @param lent what {@link lend} has returned, if it was called. @throws as close(2).
   */
  closeFile(fd: number, lent: Holder | undefined): void
}

/** An open descriptor of a regular file of the host. It owns the descriptor. */
export class HostFile implements OpenFile, Space {
  readonly fd: number
  readonly #node: OpenedNode
  /** Whether writes take the file's setuid and setgid bits, see privileges.ts. */
  readonly dropsPrivileges: boolean
  readonly #table: LockTable
  /** Undefined if the file system cannot tell which bytes are in the page cache. */
  #coldReads: ColdReads | undefined
  #locks: FileLocks | undefined
  readonly #flockTable: LockTable
  #flocks: FileLocks | undefined
  #lent: Holder | undefined

  constructor(
    fd: number,
    node: OpenedNode,
    dropsPrivileges: boolean,
    { locks, flocks, coldReads }: Pick<HostContext, 'locks' | 'flocks' | 'coldReads'>,
  ) {
    this.fd = fd
    this.#node = node
    this.dropsPrivileges = dropsPrivileges
    this.#table = locks
    this.#flockTable = flocks
    this.#coldReads = coldReads
  }

  get isDirectory(): false {
    return false
  }

  read(offset: number, into: Payload, mayDefer: boolean): number | Deferred<Uint8Array> {
    if (this.#coldReads !== undefined && mayDefer) {
      const read = readIfCached(this.fd, offset, into)
      if (read >= 0) return read
      if (read === CANNOT_TELL) this.#coldReads = undefined
      const deferred = this.#coldReads?.read(this.fd, offset, into.length)
      if (deferred !== undefined) return deferred
    }
    const { memory, offset: at, length, pieces } = into
    if (pieces !== undefined) return preadv(this.fd, pieces.vector, pieces.count, offset)
    return pread(this.fd, memory.address + at, length, offset)
  }

  write(
    offset: number,
    { memory, offset: at, length, pieces }: Payload,
    dropsPrivileges = this.dropsPrivileges,
  ): number {
    if ((dropsPrivileges || this.dropsPrivileges) && length > 0) this.#node.dropPrivileges(this.fd)
    if (pieces !== undefined) return pwritev(this.fd, pieces.vector, pieces.count, offset)
    return pwrite(this.fd, memory.address + at, length, offset)
  }

  fsync(dataOnly: boolean): void {
    sync(this.fd, dataOnly)
  }

  get space(): Space {
    return this
  }

  allocate(mode: number, offset: number, length: number): void {
    if (this.dropsPrivileges) this.#node.dropPrivileges(this.fd)
    fallocate(this.fd, mode, offset, length)
  }

  seek(offset: number, whence: number): number {
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) throw new ErrnoError(errno.EINVAL, 'lseek')
    return lseek(this.fd, BigInt(offset), whence)
  }

  copyTo(offset: number, to: OpenFile, toOffset: number, length: number): number {
    if (!(to instanceof HostFile)) throw new ErrnoError(errno.EXDEV, 'copy_file_range')
    if (to.dropsPrivileges) to.#node.dropPrivileges(to.fd)
    return copyFileRange(this.fd, offset, to.fd, toOffset, length)
  }

  get locks(): FileLocks {
    this.#locks ??= new FileLocks(this.#table, this.fd)
    return this.#locks
  }

  get flocks(): FileLocks {
    this.#flocks ??= new FileLocks(this.#flockTable, this.fd)
    return this.#flocks
  }

  lend(keeper: Keeper): void {
    this.#lent ??= this.#node.lend(keeper)
  }

  close(): void {
    try {
      this.#flocks?.close()
      this.#locks?.close()
    } finally {
      this.#node.closeFile(this.fd, this.#lent)
    }
  }
}

/** An open descriptor of a directory of the host. It owns the descriptor. */
export class HostDirectory implements OpenDirectory {
  readonly #fd: number
  readonly #node: OpenedNode & EntryRules
  #lent: Holder | undefined

  constructor(fd: number, node: OpenedNode & EntryRules) {
    this.#fd = fd
    this.#node = node
  }

  get isDirectory(): true {
    return true
  }

  readdir(cookie: bigint, visitor: DirectoryVisitor): void {
    // lseek(2) takes a signed number.
    if (cookie > 0x7fff_ffff_ffff_ffffn) throw new ErrnoError(errno.EINVAL, 'directory cookie')
    readEntries(this.#fd, cookie, visitor, this.#node)
  }

  fsync(dataOnly: boolean): void {
    sync(this.#fd, dataOnly)
  }

  lend(keeper: Keeper): void {
    this.#lent ??= this.#node.lend(keeper)
  }

  close(): void {
    this.#node.closeFile(this.#fd, this.#lent)
  }
}

function sync(fd: number, dataOnly: boolean): void {
  if (dataOnly) fdatasync(fd)
  else fsync(fd)
}
