import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import { frameSize } from '../../9p/wire/frame.ts'
import { MSIZE_MIN } from '../../9p/wire/limits.ts'

/** Room in addition to one message, in bytes: small requests that were sent together are received together. */
const EXTRA = 64 * 1024

/** The received bytes of a stream, which are split into frames. */
export class Inbox {
  #memory: SystemMemory = systemMemory(MSIZE_MIN + EXTRA)
  #start = 0
  #end = 0

  get memory(): SystemMemory {
    return this.#memory
  }

  /** The place for the next bytes of the stream. */
  get end(): number {
    return this.#end
  }

  /** How many bytes fit there; never 0. */
  get room(): number {
    return this.#memory.bytes.length - this.#end
  }

  /** The bytes that have arrived and were not consumed. */
  get waiting(): Buffer {
    return this.#memory.bytes.subarray(this.#start, this.#end)
  }

  /** Makes room for `bytes` more, without a limit: for a server that is held. */
  extend(bytes: number): void {
    if (this.room >= bytes) return
    const { waiting } = this
    this.#memory = systemMemory(2 * (waiting.length + bytes))
    this.#memory.bytes.set(waiting)
    this.#end = waiting.length
    this.#start = 0
  }

  /** `bytes` more bytes were written at {@link end}. */
  arrived(bytes: number): void {
    this.#end += bytes
  }

  /**
   * The size of the next whole frame; 0 while a part of it has not arrived.
   *
   * @throws ProtocolError for a size that no frame may have.
   */
  next(msize: number): number {
    const limit = msize || MSIZE_MIN
    const size = frameSize(this.#memory, this.#start, this.#end, limit)
    if (size === 0) this.#makeRoom(limit)
    return size
  }

  /** Where that frame begins. */
  get start(): number {
    return this.#start
  }

  /** The frame of `size` bytes was answered. */
  consume(size: number): void {
    this.#start += size
  }

  /** Makes room for a frame of `limit` bytes behind {@link start}. */
  #makeRoom(limit: number): void {
    const { bytes } = this.#memory
    if (this.#start === this.#end) this.#start = this.#end = 0
    if (bytes.length - this.#start >= limit) return
    if (bytes.length < limit) this.#memory = systemMemory(limit + EXTRA)
    this.#memory.bytes.set(bytes.subarray(this.#start, this.#end))
    this.#end -= this.#start
    this.#start = 0
  }
}
