import type { Writer } from './wire/cursor.ts'
import type { Payload } from '../sys/memory.ts'

/**
 * Where the answer to a request goes. Each transport has its own: a stream one for all of a
 * connection's requests, a virtqueue one for each, since there the client says where it wants its answer.
 */
export interface ReplyPlace {
  /** Whether what was committed cannot leave for now: then large replies are not made yet. */
  readonly isBackedUp: boolean
  /**
   * Room for one frame of at most `bytes`, from the writer's position on. Of places that share memory,
   * nothing else is reserved before the frame is committed.
   */
  reserve(bytes: number): Writer
  /**
   * Where the payload of an Rread lies, the frame of which begins at the writer's position: what is put
   * there is not copied. At most `count` bytes; fewer where the client has left less room.
   */
  payload(writer: Writer, count: number): Payload
  /** The frame written since {@link reserve} is complete and may leave. */
  commit(): void
  /** There will be no answer: the request was flushed, or its conversation is over. */
  forget(): void
}
