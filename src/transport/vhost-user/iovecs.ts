import { IoVector } from '../../sys/vectors.ts'
import type { Pieces } from '../../sys/memory.ts'
import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import type { GuestMemory } from './guest-memory.ts'
import { VirtqueueError } from './virtqueue-error.ts'

const nothing = systemMemory(8)

/**
 * One side of a chain of descriptors: bytes of the guest's, in the order of the chain. What lies one
 * behind the other is one segment, however many descriptors it took: Linux splits each buffer at the ends
 * of pages (pack_sg_list in net/9p/trans_virtio.c).
 */
export class Segments {
  /** How many there are; the arrays below may be longer. */
  count = 0
  /** Bytes of all of them together. */
  total = 0
  readonly #memories: SystemMemory[] = []
  readonly #offsets: number[] = []
  readonly #lengths: number[] = []
  readonly #pieces = new SegmentPieces(this)
  /** See {@link #seek}. */
  #skip = 0

  clear(): void {
    this.count = 0
    this.total = 0
  }

  /** The first segment's memory, where it begins there, and how many bytes it has. */
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
   * Adds `length` bytes at a guest's address.
   *
   * @throws VirtqueueError for bytes that are no memory of the guest's.
   */
  add(guest: GuestMemory, address: number, length: number): void {
    for (let at = address, left = length; left > 0;) {
      const room = guest.locate(at)
      if (room === 0) throw new VirtqueueError("a descriptor points outside of the guest's memory")
      const bytes = Math.min(room, left)
      const last = this.count - 1
      const { memory, offset } = guest
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

  /** Copies the bytes behind the first `start` into `target`, as many as it has room for. */
  copyTo(target: Uint8Array, start = 0): void {
    let done = 0
    for (let i = this.#seek(start); done < target.length && i < this.count; i++) {
      const { bytes } = this.#memories[i] as SystemMemory
      const from = (this.#offsets[i] as number) + this.#skip
      const length = Math.min((this.#lengths[i] as number) - this.#skip, target.length - done)
      target.set(bytes.subarray(from, from + length), done)
      done += length
      this.#skip = 0
    }
  }

  /** Copies `source` to where the bytes behind the first `start` are. */
  copyFrom(source: Uint8Array, start = 0): void {
    let done = 0
    for (let i = this.#seek(start); done < source.length && i < this.count; i++) {
      const { bytes } = this.#memories[i] as SystemMemory
      const length = Math.min((this.#lengths[i] as number) - this.#skip, source.length - done)
      // A view of all of it would be another object for nothing.
      const part = length === source.length ? source : source.subarray(done, done + length)
      bytes.set(part, (this.#offsets[i] as number) + this.#skip)
      done += length
      this.#skip = 0
    }
  }

  /**
   * The `length` bytes behind the first `start`, as a payload that is not copied. It is the same object each
   * time, good until the next call: one of its own would be most of what a read leaves behind.
   */
  pieces(start: number, length: number): SegmentPieces {
    return this.#pieces.over(start, length)
  }

  /** Adds the places of `length` bytes behind the first `start`. */
  addTo(pieces: SegmentPieces, start: number, length: number): void {
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

  /** The segment that has the byte behind the first `start`; {@link #skip} says how far into it. */
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

/** A run of a chain's bytes, wherever they are. */
export class SegmentPieces implements Pieces {
  /** Where the first of them is. */
  memory: SystemMemory = nothing
  offset = 0
  readonly #segments: Segments
  readonly #vector = new IoVector(8)
  #start = 0
  #length = 0

  constructor(segments: Segments) {
    this.#segments = segments
  }

  over(start: number, length: number): this {
    this.#start = start
    this.#length = length
    this.#vector.clear()
    this.#segments.addTo(this, start, length)
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
    const gathered = Buffer.alloc(Math.min(length, this.#length))
    this.#segments.copyTo(gathered, this.#start)
    return gathered
  }

  scatter(bytes: Uint8Array): void {
    this.#segments.copyFrom(bytes.subarray(0, this.#length), this.#start)
  }
}
