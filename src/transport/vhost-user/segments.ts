import { IoVector } from '../../libc/vectors.ts'
import type { Pieces } from '../../protocol/memory.ts'
import type { SystemMemory } from '../../libc/memory.ts'
import type { GuestMemory } from './guest-memory.ts'
import { VirtqueueError } from './virtqueue-error.ts'

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
  readonly #vector = new IoVector(8)

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

  /** Copies the first bytes of all into `target`, as many as it has room for. */
  copyTo(target: Uint8Array): void {
    this.#each(0, target.length, ({ bytes }, offset, length, done) => {
      target.set(bytes.subarray(offset, offset + length), done)
    })
  }

  /** Copies `source` to the first bytes. */
  copyFrom(source: Uint8Array): void {
    this.#each(0, source.length, ({ bytes }, offset, length, done) => {
      bytes.set(source.subarray(done, done + length), offset)
    })
  }

  /**
   * The `length` bytes behind the first `start`, as a payload that is not copied; where they are in one
   * segment, its memory and the offset there. It is lent until the next call.
   */
  pieces(start: number, length: number): Pieces & { memory: SystemMemory; offset: number } {
    const vector = this.#vector
    vector.clear()
    let first = { memory: this.memory, offset: 0 }
    this.#each(start, length, (memory, offset, bytes) => {
      if (vector.count === 0) first = { memory, offset }
      vector.add(memory.address + offset, bytes)
    })
    return {
      ...first,
      vector: vector.address,
      count: vector.count,
      gather: (most) => {
        const gathered = Buffer.alloc(Math.min(most, length))
        this.#each(start, gathered.length, ({ bytes }, offset, part, done) => {
          gathered.set(bytes.subarray(offset, offset + part), done)
        })
        return gathered
      },
      scatter: (source) => {
        this.#each(start, Math.min(source.length, length), ({ bytes }, offset, part, done) => {
          bytes.set(source.subarray(done, done + part), offset)
        })
      },
    }
  }

  /** Walks over `length` bytes behind the first `start`. @param visit is told how many came before. */
  #each(
    start: number,
    length: number,
    visit: (memory: SystemMemory, offset: number, length: number, done: number) => void,
  ): void {
    let skip = start
    let done = 0
    for (let i = 0; i < this.count && done < length; i++) {
      const room = (this.#lengths[i] as number) - skip
      if (room > 0) {
        const bytes = Math.min(room, length - done)
        visit(this.#memories[i] as SystemMemory, (this.#offsets[i] as number) + skip, bytes, done)
        done += bytes
        skip = 0
      } else skip = -room
    }
  }
}
