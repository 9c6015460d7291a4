import type { SystemMemory } from '../../sys/system-memory.ts'
import { Writer } from '../../9p/wire/cursor.ts'
import { READ_OVERHEAD } from '../../9p/wire/limits.ts'
import { type Payload, run } from '../../sys/memory.ts'
import type { ReplyPlace } from '../../9p/reply-place.ts'
import { Segments } from './iovecs.ts'

/** The queue that a chain is of, as far as the chain needs it. */
export interface ChainOwner {
  /** Memory for a reply that has no place of its own in one run; shared by all chains. */
  readonly scratch: SystemMemory
  /**
   * The chain is answered: `length` bytes of it were filled. It belongs to its owner again.
   *
   * @param frame the answer's bytes, where they could not be put into the guest's memory; lent.
   */
  answered(chain: Chain, length: number, frame: Uint8Array | undefined): void
}

/** One request of a driver's and the place for its answer. Chains are used again for other requests. */
export class Chain implements ReplyPlace {
  /** Its first descriptor: how the driver knows it. */
  head = 0
  readonly readable = new Segments()
  readonly writable = new Segments()
  /** Whether the segments are in memory that may be touched: not while the queue is stopped. */
  isReachable = true
  /** Its room is its own. */
  readonly isBackedUp = false
  readonly #owner: ChainOwner
  readonly #writer: Writer
  /** Where the reply begins that the writer writes. */
  #start = 0
  #isInPlace = false

  constructor(owner: ChainOwner) {
    this.#owner = owner
    this.#writer = new Writer(owner.scratch)
  }

  reserve(bytes: number): Writer {
    const { writable } = this
    const { scratch } = this.#owner
    this.#isInPlace = this.isReachable && writable.count === 1
    if (this.#isInPlace) {
      const { memory, offset } = writable
      this.#start = offset
      return this.#writer.over(memory, offset, offset + Math.min(bytes, writable.total))
    }
    this.#start = 0
    return this.#writer.over(scratch, 0, Math.min(bytes, writable.total, scratch.bytes.length))
  }

  payload({ memory, position, end }: Writer, count: number): Payload {
    const length = Math.max(0, Math.min(count, end - position - READ_OVERHEAD))
    if (this.#isInPlace || !this.isReachable) return run(memory, position + READ_OVERHEAD, length)
    const pieces = this.writable.pieces(READ_OVERHEAD, length)
    return { memory: pieces.memory, offset: pieces.offset, length, pieces }
  }

  commit(): void {
    const { position, elsewhere, memory } = this.#writer
    const length = position - this.#start
    if (this.#isInPlace) {
      this.#owner.answered(this, length, undefined)
      return
    }
    const frame = memory.bytes.subarray(0, length - elsewhere)
    if (this.isReachable) {
      this.writable.copyFrom(frame)
      this.#owner.answered(this, length, undefined)
    } else this.#owner.answered(this, length, frame)
  }

  /** The driver gets it back unused: Linux's then drops it without a look at the request (req_done). */
  forget(): void {
    this.#owner.answered(this, 0, undefined)
  }
}
