import type { Memory } from '../../protocol/memory.ts'
import { MSIZE_MIN } from '../../protocol/limits.ts'
import type { SessionLimits } from '../../server/limits.ts'
import { Session } from '../../server/session.ts'
import type { Exports } from '../../tree/tree.ts'
import { Inbox } from './inbox.ts'
import { StreamOutbox } from './stream-outbox.ts'

/**
 * Replies that leave together. More would cost a little less where client and server share a
 * processor; where they do not, the client could sleep through all of it while the first is ready.
 */
const TOGETHER = 8

/** A session over a byte stream: what all streams have in common. */
export class StreamSession {
  readonly inbox = new Inbox()
  readonly outbox: StreamOutbox
  readonly #session: Session

  constructor(
    exports: Exports,
    log: (line: string) => void,
    limits?: SessionLimits,
    onCommit?: () => void,
  ) {
    this.outbox = new StreamOutbox(onCommit)
    this.#session = new Session(exports, log, limits)
  }

  /**
   * Answers the frames that have arrived, until none is whole or the replies should leave first.
   *
   * @returns whether whole frames may be left.
   * @throws ProtocolError: the connection has to end.
   */
  answer(): boolean {
    const { inbox, outbox } = this
    const session = this.#session
    for (let replies = 0; replies < TOGETHER; replies++) {
      if (!outbox.hasRoom(session.msize || MSIZE_MIN) && outbox.pending > 0) return true
      const size = inbox.next(session.msize)
      if (size === 0) return false
      const memory: Memory = inbox.memory
      session.receive(memory, inbox.start, size, outbox)
      inbox.consume(size)
    }
    return true
  }

  close(): void {
    this.#session.close()
  }
}
