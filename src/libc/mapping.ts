import { bufferAt, call } from './ffi.ts'
import type { SystemMemory } from './memory.ts'

const PROT_READ = 1
const PROT_WRITE = 2
const MAP_SHARED = 1
/** Pages that nobody has touched take no swap space (mmap(2)). */
const MAP_NORESERVE = 0x4000

const native = {
  mmap: call('long', 'mmap', 'pointer', 'size', 'int', 'int', 'int', 'int64'),
  munmap: call('int', 'munmap', 'pointer', 'size'),
}

/**
 * Bytes that one {@link SystemMemory} of a mapping shows. Node's Buffers end at 4 GiB, and V8 is fastest
 * with indices below 2^30, which are small integers to it.
 */
export const WINDOW_BYTES = 2 ** 30

/**
 * Bytes of the next one that it shows as well: what is no larger, such as a ring or a table of descriptors, is
 * in one piece wherever it begins.
 */
const OVERLAP_BYTES = 2 ** 16

/**
 * A file's bytes as memory that is shared with whoever else has mapped them. It owns the mapping. Nothing
 * of it may be touched after {@link Mapping.close}: that would end the process (SIGSEGV), and so would
 * bytes behind the end of a file that has been cut short (SIGBUS).
 */
export class Mapping {
  readonly size: number
  readonly address: number
  /** All of it, one for every {@link WINDOW_BYTES}, and each {@link OVERLAP_BYTES} longer where there is more. */
  readonly windows: readonly SystemMemory[]

  /**
   * @param offset in the file, a multiple of the page size.
   * @param size in bytes, at least 1.
   * @throws ErrnoError as mmap(2): EINVAL, EACCES, ENODEV, ENOMEM.
   */
  constructor(fd: number, offset: number, size: number) {
    this.size = size
    this.address = native.mmap(
      0,
      size,
      PROT_READ | PROT_WRITE,
      MAP_SHARED | MAP_NORESERVE,
      fd,
      offset,
    )
    const windows: SystemMemory[] = []
    for (let start = 0; start < size; start += WINDOW_BYTES) {
      const address = this.address + start
      const buffer = bufferAt(address, Math.min(WINDOW_BYTES + OVERLAP_BYTES, size - start))
      windows.push({ bytes: Buffer.from(buffer), view: new DataView(buffer), address })
    }
    this.windows = windows
  }

  close(): void {
    native.munmap(this.address, this.size)
  }
}
