import { ErrnoError, errno } from '../../errno.ts'
import { close, fdatasync, fsync, pread, pwrite } from '../../libc/files.ts'
import type { Writer } from '../../protocol/cursor.ts'
import type { Payload } from '../../protocol/memory.ts'
import type { OpenFile } from '../tree.ts'
import { type HostEntry, readEntries } from './entries.ts'
import { dropPrivileges } from './privileges.ts'

/** The node that a file was opened from, as far as the file needs it. */
interface OpenedNode {
  /** See {@link readEntries}. */
  readonly shown: (entry: HostEntry) => bigint | undefined
  /** The descriptor of one of its open files has been closed. */
  fileClosed(): void
}

/** An open descriptor of a regular file or a directory of the host. It owns the descriptor. */
export class HostFile implements OpenFile {
  readonly fd: number
  readonly #node: OpenedNode
  /** Whether writes take the file's setuid and setgid bits, see privileges.ts. */
  readonly dropsPrivileges: boolean

  constructor(fd: number, node: OpenedNode, dropsPrivileges: boolean) {
    this.fd = fd
    this.#node = node
    this.dropsPrivileges = dropsPrivileges
  }

  read(offset: number, { memory, offset: at, length }: Payload): number {
    return pread(this.fd, memory.address + at, length, offset)
  }

  write(offset: number, { memory, offset: at, length }: Payload): number {
    if (this.dropsPrivileges && length > 0) dropPrivileges(this.fd)
    return pwrite(this.fd, memory.address + at, length, offset)
  }

  readdir(offset: bigint, to: Writer): void {
    if (offset > 0x7fff_ffff_ffff_ffffn) throw new ErrnoError(errno.EINVAL, 'directory cookie')
    const node = this.#node
    readEntries(this.fd, offset, to, (entry) => node.shown(entry))
  }

  fsync(dataOnly: boolean): void {
    if (dataOnly) fdatasync(this.fd)
    else fsync(this.fd)
  }

  close(): void {
    try {
      close(this.fd)
    } finally {
      this.#node.fileClosed()
    }
  }
}
