import { type SystemMemory, systemMemory } from '../../sys/system-memory.ts'
import { frameSize } from '../../9p/wire/frame.ts'
import { MSIZE_MIN } from '../../9p/wire/limits.ts'

/** Room beyond one message, in bytes: small requests that were sent together arrive together. */
const EXTRA = 64 * 1024

/** The received bytes of a stream, of which frames are made. */
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

  /** How many bytes fit there; never 0. */
  get room(): number {
    return this.#memory.bytes.length - this.#end
  }

  /** What has arrived and was not consumed. */
  get waiting(): Buffer {
    return this.#memory.bytes.subarray(this.#start, this.#end)
  }

  /** Makes room for `bytes` more, however much waits already: for a server that is held. */
  extend(bytes: number): void {
    if (this.room >= bytes) return
    const { waiting } = this
    this.#memory = systemMemory(2 * (waiting.length + bytes))
    this.#memory.bytes.set(waiting)
    this.#end = waiting.length
    this.#start = 0
  }

  /** `bytes` more bytes have been written at {@link end}. */
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

  /** The frame of `size` bytes has been answered. */
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
