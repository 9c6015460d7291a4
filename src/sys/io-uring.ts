import { ErrnoError, errno } from './errno.ts'
import { call } from './ffi.ts'
import { discard } from './files.ts'
import { Mapping } from './mapping.ts'
import { type SystemMemory, systemMemory } from './system-memory.ts'

/** libc has no functions for io_uring; the numbers are the same on every architecture. */
const SYS_setup = 425
const SYS_enter = 426
const SYS_register = 427

const setup = call('int', 'syscall', 'int64', 'uint32', 'pointer')
const enter = call(
  'int',
  'syscall',
  'int64',
  'int',
  'uint32',
  'uint32',
  'uint32',
  'pointer',
  'size',
)
const register = call('int', 'syscall', 'int64', 'int', 'uint32', 'pointer', 'uint32')

/** The ring begins disabled, so that it can be restricted before it is used. */
const SETUP_R_DISABLED = 1 << 6
const FEAT_SINGLE_MMAP = 1 << 0
const ENTER_GETEVENTS = 1 << 0
const REGISTER_RESTRICTIONS = 11
const REGISTER_ENABLE_RINGS = 12
const RESTRICTION_SQE_OP = 1
const OP_READ = 22

/** Offsets for mmap(2) of a ring's descriptor. */
const OFF_RINGS = 0
const OFF_SQES = 0x10000000

/** struct io_uring_params: where the kernel says what it has made. */
const PARAMS_BYTES = 120
const PARAMS_CQ_ENTRIES = 4
const PARAMS_FLAGS = 8
const PARAMS_FEATURES = 20
const PARAMS_SQ = 40
const PARAMS_CQ = 80

/** struct io_sqring_offsets and io_cqring_offsets, as far as both are used. */
const HEAD = 0
const TAIL = 4
const MASK = 8
const SQ_ARRAY = 24
const CQ_CQES = 20

const SQE_BYTES = 64
const CQE_BYTES = 16

/**
 * An io_uring(7) that can only read from files (IORING_REGISTER_RESTRICTIONS), whichever code uses its
 * descriptor. For epoll(7) the descriptor is readable when a read has ended.
 */
export class ReadRing {
  readonly fd: number
  /** The most reads that can be under way. */
  readonly size: number
  readonly #rings: Mapping
  readonly #sqes: Mapping
  readonly #sq: { readonly tail: number; readonly mask: number; readonly array: number }
  readonly #cq: {
    readonly head: number
    readonly tail: number
    readonly mask: number
    readonly cqes: number
  }
  readonly #words: Uint32Array<ArrayBuffer>

  /**
   * @param size how many reads may be under way, a power of two.
   * @throws ErrnoError ENOSYS or EPERM where the kernel has no io_uring, where it is switched off (io_uring_disabled), or
   *   where a container's seccomp filter denies it; EOPNOTSUPP before Linux 5.10.
   */
  constructor(size: number) {
    const params = systemMemory(PARAMS_BYTES)
    params.view.setUint32(PARAMS_FLAGS, SETUP_R_DISABLED, true)
    this.fd = setup(SYS_setup, size, params.address)
    this.size = size
    const field = (base: number, offset: number): number =>
      params.view.getUint32(base + offset, true)
    let rings: Mapping | undefined
    try {
      if ((params.view.getUint32(PARAMS_FEATURES, true) & FEAT_SINGLE_MMAP) === 0) {
        throw new ErrnoError(errno.EOPNOTSUPP, 'io_uring')
      }
      restrict(this.fd)
      const bytes = Math.max(
        field(PARAMS_SQ, SQ_ARRAY) + size * 4,
        field(PARAMS_CQ, CQ_CQES) + params.view.getUint32(PARAMS_CQ_ENTRIES, true) * CQE_BYTES,
      )
      rings = new Mapping(this.fd, OFF_RINGS, bytes)
      this.#sqes = new Mapping(this.fd, OFF_SQES, size * SQE_BYTES)
    } catch (error) {
      rings?.close()
      discard(this.fd)
      throw error
    }
    this.#rings = rings
    const { view } = memoryOf(rings)
    this.#words = new Uint32Array(view.buffer as ArrayBuffer, 0, view.byteLength >> 2)
    const mask = (base: number): number => view.getUint32(field(base, MASK), true)
    this.#sq = {
      tail: field(PARAMS_SQ, TAIL) >> 2,
      mask: mask(PARAMS_SQ),
      array: field(PARAMS_SQ, SQ_ARRAY) >> 2,
    }
    this.#cq = {
      head: field(PARAMS_CQ, HEAD) >> 2,
      tail: field(PARAMS_CQ, TAIL) >> 2,
      mask: mask(PARAMS_CQ),
      cqes: field(PARAMS_CQ, CQ_CQES),
    }
  }

  /**
   * Starts to read `length` bytes at `offset` of a file to `address`. The memory must stay until the read has
   * ended. The descriptor may be closed before.
   *
   * @param id a number of 32 bits, with which {@link completed} reports this read.
   * @throws ErrnoError EAGAIN or ENOMEM. The read was not started then.
   */
  read(id: number, fd: number, address: number, length: number, offset: number): void {
    const tail = this.#words[this.#sq.tail] as number
    const slot = tail & this.#sq.mask
    const { bytes, view } = memoryOf(this.#sqes)
    const at = slot * SQE_BYTES
    bytes.fill(0, at, at + SQE_BYTES)
    view.setUint8(at, OP_READ)
    view.setInt32(at + 4, fd, true)
    view.setBigUint64(at + 8, BigInt(offset), true)
    view.setBigUint64(at + 16, BigInt(address), true)
    view.setUint32(at + 24, length, true)
    view.setUint32(at + 32, id, true)
    this.#words[this.#sq.array + slot] = slot
    Atomics.store(this.#words, this.#sq.tail, (tail + 1) >>> 0)
    try {
      enter(SYS_enter, this.fd, 1, 0, 0, 0, 0)
    } catch (error) {
      // The kernel has not taken the entry.
      Atomics.store(this.#words, this.#sq.tail, tail)
      throw error
    }
  }

  /** Reports each read that has ended: how many bytes it has read, or its errno as a negative number. */
  completed(tell: (id: number, result: number) => void): void {
    const { view } = memoryOf(this.#rings)
    const end = Atomics.load(this.#words, this.#cq.tail)
    let head = this.#words[this.#cq.head] as number
    while (head !== end) {
      const at = this.#cq.cqes + (head & this.#cq.mask) * CQE_BYTES
      const id = view.getUint32(at, true)
      const result = view.getInt32(at + 8, true)
      head = (head + 1) >>> 0
      Atomics.store(this.#words, this.#cq.head, head)
      tell(id, result)
    }
  }

  /** Waits until a read has ended. */
  wait(): void {
    enter(SYS_enter, this.fd, 0, 1, ENTER_GETEVENTS, 0, 0)
  }

  /** No read may be under way: the kernel would still write to its memory. */
  close(): void {
    this.#sqes.close()
    this.#rings.close()
    discard(this.fd)
  }
}

/** Allows reads only, from now on, and enables the ring. */
function restrict(fd: number): void {
  // struct io_uring_restriction: opcode[2] sqe_op[1] resv[1] resv2[12].
  const restriction = systemMemory(16)
  restriction.view.setUint16(0, RESTRICTION_SQE_OP, true)
  restriction.view.setUint8(2, OP_READ)
  register(SYS_register, fd, REGISTER_RESTRICTIONS, restriction.address, 1)
  register(SYS_register, fd, REGISTER_ENABLE_RINGS, 0, 0)
}

function memoryOf(mapping: Mapping): SystemMemory {
  // A ring is far smaller than one window.
  return mapping.windows[0] as SystemMemory
}
