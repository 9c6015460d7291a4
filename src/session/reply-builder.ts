import { type Payload, fillPayload, heapMemory, run } from '../sys/memory.ts'
import type { ReplyPlace } from '../sys/reply-place.ts'
import { Writer } from '../wire/cursor.ts'

/**
 * Makes one reply after another, in any wire protocol. A codec writes the fields of a reply to its place, or a tree puts a
 * payload there: a handler asks for the payload's place, fills it, and returns the number of bytes.
 */
export abstract class ReplyBuilder {
  /** How many bytes a reply has in front of its payload. */
  readonly #overhead: number
  #place: ReplyPlace = nowhere
  readonly #head = new Writer(heapMemory(0))
  readonly #entries = new Writer(heapMemory(0))
  /** Where the reply begins. */
  #start = 0
  /** The most bytes of payload that the client accepts. */
  #most = 0
  /** Whether the payload lies in the reserved memory, right behind the head. */
  #isWritten = false
  /** The size of the place that {@link payload} has returned, in bytes. */
  #payloadRoom = 0

  constructor(overhead: number) {
    this.#overhead = overhead
  }

  /**
   * Begins a reply of at most `bytes`, with at most `most` bytes of payload. A reply that was begun and not sent is dropped.
   */
  protected reserve(place: ReplyPlace, bytes: number, most: number): void {
    const { memory, offset, length } = place.reserve(bytes)
    this.#place = place
    this.#start = offset
    this.#most = most
    this.#head.over(memory, offset, offset + length)
  }

  /**
   * The largest reply that the place has room for, in bytes: below what the protocol allows where the client has left less
   * room.
   */
  get room(): number {
    return this.#head.end - this.#start
  }

  /**
   * The place where a system call puts the payload: at most `count` bytes, and no more than fit into a reply.
   */
  payload(count: number): Payload {
    this.#isWritten = false
    const payload = this.#place.payload(this.#overhead, Math.min(count, this.#most))
    this.#payloadRoom = payload.length
    return payload
  }

  /** A Writer for a payload that is written field by field. It may be used until the reply is sent. */
  payloadWriter(count: number): Writer {
    this.#isWritten = true
    const start = this.#start + this.#overhead
    const end = Math.min(start + Math.min(count, this.#most), this.#head.end)
    return this.#entries.over(this.#head.memory, start, Math.max(start, end))
  }

  /** Puts bytes that lie elsewhere in place, cut to what fits. @returns how many. */
  protected put(bytes: Uint8Array): number {
    const into = this.payload(bytes.length)
    fillPayload(into, bytes.subarray(0, into.length))
    return into.length
  }

  /** A Writer for the head of the reply, at its beginning. */
  protected rewound(): Writer {
    this.#head.position = this.#start
    return this.#head
  }

  /** The head is written, and there is no payload: the reply may leave. */
  protected commit(): void {
    this.#place.commit(this.#head.position - this.#start, 0)
  }

  /** @throws RangeError if a tree claims more bytes than the place of its payload has. */
  protected checkPayload(length: number): void {
    if (this.#isWritten || length <= this.#payloadRoom) return
    throw new RangeError(`a payload of ${length} bytes, where ${this.#payloadRoom} were asked for`)
  }

  /** The head is written, and `length` bytes of payload are in place: the reply may leave. */
  protected commitPayload(length: number): void {
    if (this.#isWritten) this.#head.take(length)
    this.#place.commit(this.#head.position - this.#start, this.#isWritten ? 0 : length)
  }
}

/** The place before the first reply. */
const nowhere: ReplyPlace = {
  isBackedUp: false,
  reserve: () => run(heapMemory(0), 0, 0),
  payload: () => run(heapMemory(0), 0, 0),
  commit() {},
  forget() {},
}
