import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import { frameSize } from '../../9p/wire/frame.ts'
import { MSIZE_MIN } from '../../9p/wire/limits.ts'

/** Room beyond one message: small requests that were sent together arrive together. */
const EXTRA = 64 * 1024

/** Bytes of a stream on their way to becoming frames. */
export class Inbox {
  #memory: SystemMemory = systemMemory(MSIZE_MIN + EXTRA)
  #start = 0
  #end = 0

  get memory(): SystemMemory {
    return this.#memory
  }

  /** Where the next bytes from the stream go. */
  get end(): number {
    return this.#end
  }

  /** How many bytes fit there; never 0, whatever has been taken in. */
  get room(): number {
    return this.#memory.bytes.length - this.#end
  }

  /** What has arrived and was not dealt with. */
  get waiting(): Buffer {
    return this.#memory.bytes.subarray(this.#start, this.#end)
  }

  /** Makes room for `bytes` more, however much waits already: for who takes in and does not answer. */
  extend(bytes: number): void {
    if (this.room >= bytes) return
    const { waiting } = this
    this.#memory = systemMemory(2 * (waiting.length + bytes))
    this.#memory.bytes.set(waiting)
    this.#end = waiting.length
    this.#start = 0
  }

  /** `bytes` more have arrived at {@link end}. */
  arrived(bytes: number): void {
    this.#end += bytes
  }

  /**
   * The size of the next whole frame, 0 when more bytes are needed first.
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

  /** The frame of `size` bytes has been dealt with. */
  consume(size: number): void {
    this.#start += size
  }

  /** A frame of `limit` bytes must fit behind {@link start}. */
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
