import { ErrnoError, errno } from '../../sys/errno.ts'
import { fdatasync, fsync, pread, pwrite } from '../../sys/files.ts'
import { preadv, pwritev } from '../../sys/vectors.ts'
import type { Writer } from '../../9p/wire/cursor.ts'
import type { Payload } from '../../sys/memory.ts'
import type { Deferred } from '../deferred.ts'
import type { Lock, LockHolder, LockOwner, LockRange, OpenFile } from '../tree.ts'
import { CANNOT_TELL, readIfCached } from './cached-read.ts'
import type { ColdReads } from './cold-reads.ts'
import { type HostEntry, readEntries } from './entries.ts'
import { FileLocks, type LockTable } from './locks.ts'
import type { HostContext } from './policy.ts'

/** The node that a file was opened from, as far as the file needs it. */
interface OpenedNode {
  /** See {@link readEntries}. */
  readonly shown: (entry: HostEntry) => bigint | undefined
  readonly hidesTypes: boolean
  /** See privileges.ts. */
  dropPrivileges(fd: number): void
  /** One of its open files is to be closed. @throws as close(2). */
  closeFile(fd: number): void
}

/** An open descriptor of a regular file or a directory of the host. It owns the descriptor. */
export class HostFile implements OpenFile {
  readonly fd: number
  readonly #node: OpenedNode
  /** Whether writes take the file's setuid and setgid bits, see privileges.ts. */
  readonly dropsPrivileges: boolean
  readonly #table: LockTable
  /** Undefined where the file system cannot tell what is cold. */
  #coldReads: ColdReads | undefined
  /** From the first lock on. */
  #locks: FileLocks | undefined

  constructor(
    fd: number,
    node: OpenedNode,
    dropsPrivileges: boolean,
    { locks, coldReads }: Pick<HostContext, 'locks' | 'coldReads'>,
  ) {
    this.fd = fd
    this.#node = node
    this.dropsPrivileges = dropsPrivileges
    this.#table = locks
    this.#coldReads = coldReads
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

  write(offset: number, { memory, offset: at, length, pieces }: Payload): number {
    if (this.dropsPrivileges && length > 0) this.#node.dropPrivileges(this.fd)
    if (pieces !== undefined) return pwritev(this.fd, pieces.vector, pieces.count, offset)
    return pwrite(this.fd, memory.address + at, length, offset)
  }

  readdir(offset: bigint, to: Writer): void {
    if (offset > 0x7fff_ffff_ffff_ffffn) throw new ErrnoError(errno.EINVAL, 'directory cookie')
    const node = this.#node
    readEntries(this.fd, offset, to, (entry) => node.shown(entry), node.hidesTypes)
  }

  fsync(dataOnly: boolean): void {
    if (dataOnly) fdatasync(this.fd)
    else fsync(this.fd)
  }

  lock(lock: Lock, wait: boolean): boolean | Deferred<boolean> {
    return this.#fileLocks().lock(lock, wait)
  }

  unlock(range: LockRange, owner: LockOwner): void {
    this.#fileLocks().unlock(range, owner)
  }

  getlock(lock: Lock): LockHolder | undefined {
    return this.#fileLocks().getlock(lock)
  }

  locks(): readonly Lock[] {
    return this.#locks?.held() ?? []
  }

  close(): void {
    try {
      this.#locks?.close()
    } finally {
      this.#node.closeFile(this.fd)
    }
  }

  #fileLocks(): FileLocks {
    this.#locks ??= new FileLocks(this.#table, this.fd)
    return this.#locks
  }
}
