import { type Payload, fillPayload, heapMemory, run } from '../sys/memory.ts'
import type { ReplyPlace } from '../sys/reply-place.ts'
import { encodeError, encodePayloadReply, encodeReply } from './wire/codec.ts'
import { Writer } from './wire/cursor.ts'
import { IO_HEADER_BYTES, READ_OVERHEAD } from './wire/limits.ts'
import type { MessageName, PayloadMessage, R } from './wire/messages.ts'

/**
 * Makes one reply after another. The codec writes the fields of a reply to its place, or a tree puts a
 * payload there. A handler asks for the payload's place, fills it, and returns the number of bytes.
 */
export class ReplyBuilder {
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

  /** Begins a reply of at most `msize` bytes. A reply that was begun and not sent is dropped. */
  begin(place: ReplyPlace, msize: number): void {
    const { memory, offset, length } = place.reserve(msize)
    this.#place = place
    this.#start = offset
    this.#most = msize - IO_HEADER_BYTES
    this.#head.over(memory, offset, offset + length)
  }

  /**
   * The largest reply that the place has room for, in bytes: below msize where the client has left less room.
   */
  get room(): number {
    return this.#head.end - this.#start
  }

  /**
   * The place where a system call puts the payload: at most `count` bytes, and no more than fit into a reply.
   */
  payload(count: number): Payload {
    this.#isWritten = false
    const payload = this.#place.payload(READ_OVERHEAD, Math.min(count, this.#most))
    this.#payloadRoom = payload.length
    return payload
  }

  /** A Writer for a payload that is written field by field. It may be used until the reply is sent. */
  payloadWriter(count: number): Writer {
    this.#isWritten = true
    const start = this.#start + READ_OVERHEAD
    const end = Math.min(start + Math.min(count, this.#most), this.#head.end)
    return this.#entries.over(this.#head.memory, start, Math.max(start, end))
  }

  /** Sends fields. @throws NoRoomError when they do not fit; then an error may still be sent. */
  send<M extends MessageName>(tag: number, name: M, fields: R<M>): void {
    encodeReply(this.#rewound(), tag, name, fields)
    this.#commit(0)
  }

  /**
   * Sends a payload: the first `length` bytes at the place that {@link payload} has returned.
   *
   * @throws NoRoomError as {@link send}; RangeError if a tree claims more bytes than the place has.
   */
  sendPayload(tag: number, name: PayloadMessage, length: number): void {
    if (!this.#isWritten && length > this.#payloadRoom) {
      throw new RangeError(
        `a payload of ${length} bytes, where ${this.#payloadRoom} were asked for`,
      )
    }
    const to = this.#rewound()
    encodePayloadReply(to, tag, name, length)
    if (this.#isWritten) to.take(length)
    this.#commit(this.#isWritten ? 0 : length)
  }

  /** Sends a payload that lies elsewhere, cut to what fits. */
  sendBytes(tag: number, name: PayloadMessage, bytes: Uint8Array): void {
    const into = this.payload(bytes.length)
    fillPayload(into, bytes.subarray(0, into.length))
    this.sendPayload(tag, name, into.length)
  }

  /** Sends an Rlerror. @param ecode a Linux errno. */
  sendError(tag: number, ecode: number): void {
    encodeError(this.#rewound(), tag, ecode)
    this.#commit(0)
  }

  #rewound(): Writer {
    this.#head.position = this.#start
    return this.#head
  }

  #commit(payloadBytes: number): void {
    this.#place.commit(this.#head.position - this.#start, payloadBytes)
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
