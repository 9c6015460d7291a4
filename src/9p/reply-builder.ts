import type { ReplyPlace } from '../sys/reply-place.ts'
import { ReplyBuilder } from '../session/reply-builder.ts'
import { encodeError, encodePayloadReply, encodeReply } from './wire/codec.ts'
import { IO_HEADER_BYTES, READ_OVERHEAD } from './wire/limits.ts'
import type { MessageName, PayloadMessage, R } from './wire/messages.ts'

/** Makes the replies of a 9P session. */
export class P9ReplyBuilder extends ReplyBuilder {
  constructor() {
    super(READ_OVERHEAD)
  }

  /** Begins a reply of at most `msize` bytes. A reply that was begun and not sent is dropped. */
  begin(place: ReplyPlace, msize: number): void {
    this.reserve(place, msize, msize - IO_HEADER_BYTES)
  }

  /** Sends fields. @throws NoRoomError when they do not fit; then an error may still be sent. */
  send<M extends MessageName>(tag: number, name: M, fields: R<M>): void {
    encodeReply(this.rewound(), tag, name, fields)
    this.commit()
  }

  /**
   * Sends a payload: the first `length` bytes at the place that {@link payload} has returned.
   *
   * @throws NoRoomError as {@link send}; RangeError if a tree claims more bytes than the place has.
   */
  sendPayload(tag: number, name: PayloadMessage, length: number): void {
    this.checkPayload(length)
    encodePayloadReply(this.rewound(), tag, name, length)
    this.commitPayload(length)
  }

  /** Sends a payload that lies elsewhere, cut to what fits. */
  sendBytes(tag: number, name: PayloadMessage, bytes: Uint8Array): void {
    this.sendPayload(tag, name, this.put(bytes))
  }

  /** Sends an Rlerror. @param ecode a Linux errno. */
  sendError(tag: number, ecode: number): void {
    encodeError(this.rewound(), tag, ecode)
    this.commit()
  }
}
