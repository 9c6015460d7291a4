import { ErrnoError, errno } from '../../errno.ts'
import { close, fdatasync, fsync, pread, pwrite } from '../../libc/files.ts'
import type { Writer } from '../../protocol/cursor.ts'
import type { Payload } from '../../protocol/memory.ts'
import type { OpenFile } from '../tree.ts'
import { type HostEntry, readEntries } from './entries.ts'

/** An open descriptor of a regular file or a directory of the host. It owns the descriptor. */
export class HostFile implements OpenFile {
  readonly fd: number
  readonly #keep: (entry: HostEntry) => bigint | undefined

  /** @param keep for a directory: see {@link readEntries}. */
  constructor(fd: number, keep: (entry: HostEntry) => bigint | undefined) {
    this.fd = fd
    this.#keep = keep
  }

  read(offset: number, { memory, offset: at, length }: Payload): number {
    return pread(this.fd, memory.address + at, length, offset)
  }

  write(offset: number, { memory, offset: at, length }: Payload): number {
    return pwrite(this.fd, memory.address + at, length, offset)
  }

  readdir(offset: bigint, to: Writer): void {
    if (offset > 0x7fff_ffff_ffff_ffffn) throw new ErrnoError(errno.EINVAL, 'directory cookie')
    readEntries(this.fd, offset, to, this.#keep)
  }

  fsync(dataOnly: boolean): void {
    if (dataOnly) fdatasync(this.fd)
    else fsync(this.fd)
  }

  close(): void {
    close(this.fd)
  }
}
