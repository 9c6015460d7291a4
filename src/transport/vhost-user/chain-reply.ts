import { type Payload, run } from '../../sys/memory.ts'
import type { ReplyPlace } from '../../sys/reply-place.ts'
import type { SystemMemory } from '../../sys/system-memory.ts'
import type { Chain } from './chain.ts'

/** The writable bytes of a chain as the place of its reply, of whatever protocol. */
export class ChainReply implements ReplyPlace {
  /** The driver leaves room for each reply together with its request, so none waits for room. */
  readonly isBackedUp = false
  readonly #chain: Chain
  /** For the head of a reply whose chain has more than one iovec. A device's chains share it: one reply is made at a time. */
  readonly #scratch: SystemMemory
  /** Where the head is written, and how many bytes it and the payload may have together. */
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
    // The payload of a chain that is not reachable lies behind its head.
    const written = this.#chain.isReachable ? headBytes : length
    this.#chain.answer(length, this.#room.memory.bytes.subarray(0, written))
  }

  /** The driver gets the chain back unused: Linux's then drops it without a look at the request (req_done). */
  forget(): void {
    this.#chain.answer(0)
  }
}
