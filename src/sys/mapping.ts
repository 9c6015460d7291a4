import { bufferAt, call } from './ffi.ts'
import type { SystemMemory } from './system-memory.ts'

const PROT_READ = 1
const PROT_WRITE = 2
const MAP_SHARED = 1
/** Pages that are never used take no swap space (mmap(2)). */
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
 * How many bytes of the next window each window shows as well. A ring or a table of descriptors is no larger,
 * so it lies in one window wherever it begins.
 */
const OVERLAP_BYTES = 2 ** 16

/**
 * A file's bytes as memory that is shared with all that have mapped the file. It owns the mapping. Its memory must not be
 * touched after {@link Mapping.close}, which would end the process (SIGSEGV), nor behind the end of a file that was
 * truncated (SIGBUS).
 */
export class Mapping {
  /** Where its first byte lies. */
  readonly address: number
  /**
   * All of it: a memory for every {@link WINDOW_BYTES}, each {@link OVERLAP_BYTES} longer unless the mapping
   * ends there.
   */
  readonly windows: readonly SystemMemory[]
  /** The address and size of the kernel's mapping, which may be larger than the windows. */
  readonly #start: number
  readonly #length: number

  /**
   * @param offset in the file; without a `block`, a multiple of the page size.
   * @param size in bytes, at least 1.
   * @param block the unit that the file can be mapped in, in bytes: its st_blksize for a file of hugetlbfs(5), of which
   *   mmap(2) and munmap(2) take whole pages only.
   * @throws ErrnoError as mmap(2): EINVAL, EACCES, ENODEV, ENOMEM.
   */
  constructor(fd: number, offset: number, size: number, block = 1) {
    const before = offset % block
    // mmap(2) of no bytes fails, as it should here.
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
