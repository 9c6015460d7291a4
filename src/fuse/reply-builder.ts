import type { ReplyPlace } from '../sys/reply-place.ts'
import { ReplyBuilder } from '../session/reply-builder.ts'
import { type RequestHeader, encodeError, encodePayloadReply, encodeReply } from './wire/codec.ts'
import { IO_BYTES_MAX, OUT_HEADER_BYTES } from './wire/limits.ts'
import type { MessageName, R } from './wire/messages.ts'

/** Makes the replies of a FUSE session. */
export class FuseReplyBuilder extends ReplyBuilder {
  constructor() {
    super(OUT_HEADER_BYTES)
  }

  /** Begins a reply. A reply that was begun and not sent is dropped. */
  begin(place: ReplyPlace): void {
    this.reserve(place, OUT_HEADER_BYTES + IO_BYTES_MAX, IO_BYTES_MAX)
  }

  /** Sends fields. @throws NoRoomError when they do not fit; then an error may still be sent. */
  send<M extends MessageName>(to: RequestHeader, name: M, fields: R<M>): void {
    encodeReply(this.rewound(), to, name, fields)
    this.commit()
  }

  /**
   * Sends a payload: the first `length` bytes at the place that {@link payload} has returned.
   *
   * @throws NoRoomError as {@link send}; RangeError if a tree claims more bytes than the place has.
   */
  sendPayload(to: RequestHeader, length: number): void {
    this.checkPayload(length)
    encodePayloadReply(this.rewound(), to, length)
    this.commitPayload(length)
  }

  /** Sends a payload that lies elsewhere, cut to what fits. */
  sendBytes(to: RequestHeader, bytes: Uint8Array): void {
    this.sendPayload(to, this.put(bytes))
  }

  /** Sends an error. @param ecode a Linux errno. */
  sendError(to: RequestHeader, ecode: number): void {
    encodeError(this.rewound(), to, ecode)
    this.commit()
  }
}
