import { bufferAt, call } from './ffi.ts'
import type { SystemMemory } from './system-memory.ts'

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
  /** Where its first byte lies. */
  readonly address: number
  /** All of it, one for every {@link WINDOW_BYTES}, and each {@link OVERLAP_BYTES} longer where there is more. */
  readonly windows: readonly SystemMemory[]
  /** What the kernel has mapped, which may be more than is shown. */
  readonly #start: number
  readonly #length: number

  /**
   * @param offset in the file; without a `block`, a multiple of the page size.
   * @param size in bytes, at least 1.
   * @param block what can be mapped of the file only in whole, in bytes: of a hugetlbfs(5) file its st_blksize,
   *   since mmap(2) and munmap(2) take nothing else.
   * @throws ErrnoError as mmap(2): EINVAL, EACCES, ENODEV, ENOMEM.
   */
  constructor(fd: number, offset: number, size: number, block = 1) {
    const before = offset % block
    // mmap(2) of nothing is an error that should stay one.
    this.#length = size === 0 ? 0 : Math.ceil((before + size) / block) * block
    const access = PROT_READ | PROT_WRITE
    const flags = MAP_SHARED | MAP_NORESERVE
    this.#start = native.mmap(0, this.#length, access, flags, fd, offset - before)
    this.address = this.#start + before
    const windows: SystemMemory[] = []
    for (let start = 0; start < size; start += WINDOW_BYTES) {
      const address = this.address + start
      const buffer = bufferAt(address, Math.min(WINDOW_BYTES + OVERLAP_BYTES, size - start))
      windows.push({ bytes: Buffer.from(buffer), view: new DataView(buffer), address })
    }
    this.windows = windows
  }

  close(): void {
    native.munmap(this.#start, this.#length)
  }
}
