import { IoVector } from '../../sys/vectors.ts'
import { type Memory, type Pieces, copyBytes, heapMemory, heldBytes } from '../../sys/memory.ts'
import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import { type GuestMemory, Location } from './guest-memory.ts'
import { VirtqueueError } from './virtqueue.ts'

const nothing = systemMemory(8)

/**
 * The readable or the writable bytes of a chain, in its order. Descriptors with adjacent bytes become one
 * iovec, because Linux splits each buffer at the ends of pages (pack_sg_list in net/9p/trans_virtio.c).
 */
export class Iovecs {
  /** The number of iovecs. The arrays below may be longer. */
  count = 0
  /** The number of bytes in all iovecs. */
  total = 0
  readonly #found = new Location()
  readonly #memories: SystemMemory[] = []
  readonly #offsets: number[] = []
  readonly #lengths: number[] = []
  readonly #pieces = new IovecPieces(this)
  /** See {@link #seek}. */
  #skip = 0

  clear(): void {
    this.count = 0
    this.total = 0
  }

  /** The first iovec: its memory, its offset there, and its length. Only valid if {@link count} is not 0. */
  get memory(): SystemMemory {
    return this.#memories[0] as SystemMemory
  }
  get offset(): number {
    return this.#offsets[0] as number
  }
  get length(): number {
    return this.#lengths[0] as number
  }

  /**
   * Adds the `length` bytes at the guest's address `address`.
   *
   * @throws VirtqueueError for bytes outside of the guest's memory.
   */
  add(guest: GuestMemory, address: number, length: number): void {
    for (let at = address, left = length; left > 0;) {
      const room = guest.locate(at, this.#found)
      if (room === 0) throw new VirtqueueError("a descriptor points outside of the guest's memory")
      const bytes = Math.min(room, left)
      const last = this.count - 1
      const { memory, offset } = this.#found
      if (
        last >= 0 &&
        this.#memories[last] === memory &&
        (this.#offsets[last] as number) + (this.#lengths[last] as number) === offset
      ) {
        this.#lengths[last] = (this.#lengths[last] as number) + bytes
      } else {
        this.#memories[this.count] = memory
        this.#offsets[this.count] = offset
        this.#lengths[this.count] = bytes
        this.count++
      }
      at += bytes
      left -= bytes
    }
    this.total += length
  }

  /**
   * Copies `length` bytes behind the first `start` to `at` in `target`, as many as there are. @returns how many.
   */
  copyTo(target: Memory, at: number, start: number, length: number): number {
    let done = 0
    for (let i = this.#seek(start); done < length && i < this.count; i++) {
      const from = (this.#offsets[i] as number) + this.#skip
      const bytes = Math.min((this.#lengths[i] as number) - this.#skip, length - done)
      copyBytes(this.#memories[i] as SystemMemory, from, target, at + done, bytes)
      done += bytes
      this.#skip = 0
    }
    return done
  }

  /** Copies `length` bytes at `at` in `source` over the bytes behind the first `start`, as many as there are. */
  copyFrom(source: Memory, at: number, length: number, start = 0): void {
    let done = 0
    for (let i = this.#seek(start); done < length && i < this.count; i++) {
      const into = (this.#offsets[i] as number) + this.#skip
      const bytes = Math.min((this.#lengths[i] as number) - this.#skip, length - done)
      copyBytes(source, at + done, this.#memories[i] as SystemMemory, into, bytes)
      done += bytes
      this.#skip = 0
    }
  }

  /**
   * The `length` bytes behind the first `start`, in place. Each call changes and returns the same object:
   * making one would be most of the memory that a read allocates.
   */
  pieces(start: number, length: number): IovecPieces {
    return this.#pieces.over(start, length)
  }

  /** Adds the places of the `length` bytes behind the first `start` to `pieces`. */
  addTo(pieces: IovecPieces, start: number, length: number): void {
    let left = length
    for (let i = this.#seek(start); left > 0 && i < this.count; i++) {
      const bytes = Math.min((this.#lengths[i] as number) - this.#skip, left)
      pieces.add(
        this.#memories[i] as SystemMemory,
        (this.#offsets[i] as number) + this.#skip,
        bytes,
      )
      left -= bytes
      this.#skip = 0
    }
  }

  /**
   * The index of the iovec that has the byte behind the first `start`. {@link #skip} is the byte's offset in
   * it.
   */
  #seek(start: number): number {
    let skip = start
    let i = 0
    while (i < this.count && skip >= (this.#lengths[i] as number)) {
      skip -= this.#lengths[i] as number
      i++
    }
    this.#skip = skip
    return i
  }
}

/** Some of a chain's bytes, as system calls and copies need them. */
export class IovecPieces implements Pieces {
  /** The place of the first of them. */
  memory: SystemMemory = nothing
  offset = 0
  readonly #iovecs: Iovecs
  readonly #vector = new IoVector(8)
  #start = 0
  #length = 0

  constructor(iovecs: Iovecs) {
    this.#iovecs = iovecs
  }

  over(start: number, length: number): this {
    this.#start = start
    this.#length = length
    this.#vector.clear()
    this.#iovecs.addTo(this, start, length)
    return this
  }

  add(memory: SystemMemory, offset: number, bytes: number): void {
    if (this.#vector.count === 0) {
      this.memory = memory
      this.offset = offset
    }
    this.#vector.add(memory.address + offset, bytes)
  }

  get vector(): number {
    return this.#vector.address
  }

  get count(): number {
    return this.#vector.count
  }

  gather(length: number): Buffer {
    const bytes = Math.min(length, this.#length)
    const gathered = heapMemory(bytes)
    this.#iovecs.copyTo(gathered, 0, this.#start, bytes)
    return gathered.bytes
  }

  scatter(bytes: Uint8Array): void {
    const length = Math.min(bytes.length, this.#length)
    this.#iovecs.copyFrom(heldBytes(bytes), 0, length, this.#start)
  }
}
