import type { Payload } from './memory.ts'

/**
 * Where the reply to a request goes: what a transport offers to a wire protocol, in terms of neither. A
 * stream has one place for all replies of a connection; a virtqueue has one for each request, since there
 * the client says where it wants its reply.
 *
 * A reply is a head, which the protocol writes into reserved memory, and maybe a payload behind it, which
 * is put where it leaves from, so that it is never copied.
 */
export interface ReplyPlace {
  /** Whether replies cannot leave for now: then large ones are not made yet. */
  readonly isBackedUp: boolean
  /**
   * Room for one reply of at most `bytes`, in one run; less where the client has left less room. Of places
   * that share memory, nothing else is reserved before the reply is committed.
   */
  reserve(bytes: number): Payload
  /**
   * Where at most `count` bytes of payload go, behind a head of `headBytes`: fewer bytes where the client
   * has left less room. Asked for after {@link reserve}; good until {@link commit}.
   */
  payload(headBytes: number, count: number): Payload
  /**
   * The reply is complete and may leave.
   *
   * @param headBytes how many bytes were written where {@link reserve} said.
   * @param payloadBytes how many were put where {@link payload} said, if it was asked.
   */
  commit(headBytes: number, payloadBytes: number): void
  /** There will be no reply: the request was flushed, or its session is over. */
  forget(): void
}
