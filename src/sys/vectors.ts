import { ErrnoError, errno } from './errno.ts'
import { call, lastErrno, raw } from './ffi.ts'
import { type SystemMemory, systemMemory } from './system-memory.ts'

/** preadv(2) and pwritev(2): `vector` is the address of `count` structs iovec. */
export const preadv = call('long', 'preadv', 'int', 'pointer', 'int', 'int64')
export const pwritev = call('long', 'pwritev', 'int', 'pointer', 'int', 'int64')

/** preadv2(2), by its number: not every libc has a function of that name. The offset is in two halves, the second unused. */
const preadv2 = raw('long', 'syscall', 'int64', 'int', 'pointer', 'size', 'int64', 'int64', 'int')
const SYS_preadv2 = process.arch === 'arm64' ? 286 : 327
const RWF_NOWAIT = 8

/**
 * The file system cannot tell, the kernel does not have the call, or a container's seccomp filter denies it.
 */
const unable: ReadonlySet<number> = new Set([errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM])

/** {@link readCached} returns this when the bytes are not in the page cache. */
export const WOULD_WAIT = -1
/** {@link readCached} returns this when the file system cannot tell. */
export const CANNOT_TELL = -2

/**
 * preadv2(2) with RWF_NOWAIT: reads bytes that are in the page cache, perhaps fewer than asked for.
 *
 * @returns how many bytes, {@link WOULD_WAIT} or {@link CANNOT_TELL}.
 */
export function readCached(fd: number, vector: number, count: number, offset: number): number {
  const read = preadv2(SYS_preadv2, fd, vector, count, offset, 0, RWF_NOWAIT)
  if (read >= 0) return read
  const number = lastErrno()
  if (number === errno.EAGAIN) return WOULD_WAIT
  if (unable.has(number)) return CANNOT_TELL
  throw new ErrnoError(number, 'preadv2')
}

/** struct iovec: base[8] length[8]. */
const IOVEC_BYTES = 16

/** A growing array of structs iovec. All addresses are below 2^53, as in all of user space. */
export class IoVector {
  #memory: SystemMemory
  count = 0

  /** @param room how many entries fit at first. */
  constructor(room: number) {
    this.#memory = systemMemory(room * IOVEC_BYTES)
  }

  get address(): number {
    return this.#memory.address
  }

  clear(): void {
    this.count = 0
  }

  add(address: number, length: number): void {
    const at = this.count * IOVEC_BYTES
    if (at === this.#memory.bytes.length) {
      const larger = systemMemory(at * 2)
      larger.bytes.set(this.#memory.bytes)
      this.#memory = larger
    }
    const { view } = this.#memory
    // Not with `%`, for which V8 calls a function of C.
    const high = Math.floor(address / 2 ** 32)
    view.setUint32(at, address - high * 2 ** 32, true)
    view.setUint32(at + 4, high, true)
    view.setUint32(at + 8, length, true)
    view.setUint32(at + 12, 0, true)
    this.count++
  }
}
