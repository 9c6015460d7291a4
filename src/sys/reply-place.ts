import type { Payload } from './memory.ts'

/**
 * The place for the reply to a request. A transport provides it to a wire protocol; the interface depends on
 * neither. A stream has one place for all replies of a connection. A virtqueue has one for each request,
 * since the client says there where it wants its reply.
 *
 * A reply is a head, and maybe a payload behind it. The protocol writes the head into reserved memory. The
 * payload is put at the place from which it is sent, so that it is never copied.
 */
export interface ReplyPlace {
  /** Whether replies cannot leave at the moment. Large ones are not made then. */
  readonly isBackedUp: boolean
  /**
   * Room for one reply of at most `bytes`, in one run; less if the client has left less room. Until the reply
   * is committed, no other place in the same memory is reserved.
   */
  reserve(bytes: number): Payload
  /**
   * The place for at most `count` bytes of payload behind a head of `headBytes`; fewer bytes if the client
   * has left less room. To be called after {@link reserve}. It is valid until {@link commit}.
   */
  payload(headBytes: number, count: number): Payload
  /**
   * The reply is complete and may leave.
   *
   * @param headBytes how many bytes were written at the place of {@link reserve}.
   * @param payloadBytes how many bytes were put at the place of {@link payload}, if it was called.
   */
  commit(headBytes: number, payloadBytes: number): void
  /** There will be no reply: the request was flushed, or its session has ended. */
  forget(): void
}
