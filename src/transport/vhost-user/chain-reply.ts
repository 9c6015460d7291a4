import { type Payload, run } from '../../sys/memory.ts'
import type { ReplyPlace } from '../../sys/reply-place.ts'
import type { SystemMemory } from '../../sys/system-memory.ts'
import type { Chain } from './chain.ts'

/** The writable bytes of a chain, as the place of a reply of any protocol. */
export class ChainReply implements ReplyPlace {
  /** False: the driver provides room for the reply together with each request, so no reply waits for room. */
  readonly isBackedUp = false
  readonly #chain: Chain
  /**
   * Scratch memory for the head of a reply whose chain has more than one iovec. The chains of a device share
   * it, since one reply is made at a time.
   */
  readonly #scratch: SystemMemory
  /** The place of the head. Its length is that of head and payload together. */
  #room: Payload
  /** Whether {@link #room} is in the guest's memory, and not in the scratch memory. */
  #isInPlace = false

  constructor(chain: Chain, scratch: SystemMemory) {
    this.#chain = chain
    this.#scratch = scratch
    this.#room = run(scratch, 0, 0)
  }

  reserve(bytes: number): Payload {
    const { writable, isReachable } = this.#chain
    const most = Math.min(bytes, writable.total)
    this.#isInPlace = isReachable && writable.count === 1
    this.#room = this.#isInPlace
      ? run(writable.memory, writable.offset, most)
      : run(this.#scratch, 0, Math.min(most, this.#scratch.bytes.length))
    return this.#room
  }

  payload(headBytes: number, count: number): Payload {
    const { memory, offset } = this.#room
    const length = Math.max(0, Math.min(count, this.#room.length - headBytes))
    if (this.#isInPlace || !this.#chain.isReachable) return run(memory, offset + headBytes, length)
    const pieces = this.#chain.writable.pieces(headBytes, length)
    return { memory: pieces.memory, offset: pieces.offset, length, pieces }
  }

  commit(headBytes: number, payloadBytes: number): void {
    const length = headBytes + payloadBytes
    if (this.#isInPlace) {
      this.#chain.answer(length)
      return
    }
    // While a chain is not reachable, the payload lies behind its head.
    const written = this.#chain.isReachable ? headBytes : length
    this.#chain.answer(length, this.#room.memory, written)
  }

  /**
   * The driver gets the chain back with no bytes filled. Linux's driver then drops it without looking at the
   * request (req_done).
   */
  forget(): void {
    this.#chain.answer(0)
  }
}
