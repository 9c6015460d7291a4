import type { SystemMemory } from '../../sys/system-memory.ts'
import { type Payload, run } from '../../sys/memory.ts'
import type { ReplyPlace } from '../../sys/reply-place.ts'
import { Segments } from './segments.ts'

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
  /** Where the reply's head is written, and how many bytes it and its payload may have together. */
  #room: Payload
  #isInPlace = false

  constructor(owner: ChainOwner) {
    this.#owner = owner
    this.#room = run(owner.scratch, 0, 0)
  }

  reserve(bytes: number): Payload {
    const { writable } = this
    const { scratch } = this.#owner
    const most = Math.min(bytes, writable.total)
    this.#isInPlace = this.isReachable && writable.count === 1
    this.#room = this.#isInPlace
      ? run(writable.memory, writable.offset, most)
      : run(scratch, 0, Math.min(most, scratch.bytes.length))
    return this.#room
  }

  payload(headBytes: number, count: number): Payload {
    const { memory, offset } = this.#room
    const length = Math.max(0, Math.min(count, this.#room.length - headBytes))
    if (this.#isInPlace || !this.isReachable) return run(memory, offset + headBytes, length)
    const pieces = this.writable.pieces(headBytes, length)
    return { memory: pieces.memory, offset: pieces.offset, length, pieces }
  }

  commit(headBytes: number, payloadBytes: number): void {
    const length = headBytes + payloadBytes
    const { bytes } = this.#room.memory
    if (!this.isReachable) {
      this.#owner.answered(this, length, bytes.subarray(0, length))
      return
    }
    if (!this.#isInPlace) this.writable.copyFrom(bytes.subarray(0, headBytes))
    this.#owner.answered(this, length, undefined)
  }

  /** The driver gets it back unused: Linux's then drops it without a look at the request (req_done). */
  forget(): void {
    this.#owner.answered(this, 0, undefined)
  }
}
