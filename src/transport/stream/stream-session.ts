import type { Memory } from '../../protocol/memory.ts'
import { MSIZE_MIN } from '../../protocol/limits.ts'
import type { SessionLimits } from '../../server/limits.ts'
import type { SavedSession } from '../../server/saved-session.ts'
import { Session } from '../../server/session.ts'
import type { Exports } from '../../tree/tree.ts'
import { Inbox } from './inbox.ts'
import { StreamOutbox } from './stream-outbox.ts'

/**
 * Replies that leave together. More would cost a little less where client and server share a
 * processor; where they do not, the client could sleep through all of it while the first is ready.
 */
const TOGETHER = 8

/** A session over a byte stream as plain data, fit for JSON. The bytes are in base64. */
export interface SavedStream {
  readonly session: SavedSession
  /** What had arrived and was not answered, a part of a frame as well. */
  readonly received: string
  /** What was answered and had not left, the rest of a frame as well. */
  readonly unsent: string
}

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

  /** What {@link load} goes on with. The stream itself must be empty, or its bytes are lost. */
  save(): SavedStream {
    return {
      session: this.#session.save(),
      received: this.inbox.waiting.toString('base64'),
      unsent: this.outbox.waiting.toString('base64'),
    }
  }

  /**
   * Goes on where another has left off: replies may be ready then, and frames to be answered.
   *
   * @returns and throws as Session.load.
   */
  load({ session, received, unsent }: SavedStream): number {
    const bytes = Buffer.from(received, 'base64')
    this.inbox.extend(bytes.length)
    this.inbox.memory.bytes.set(bytes, this.inbox.end)
    this.inbox.arrived(bytes.length)
    this.outbox.begin(Buffer.from(unsent, 'base64'))
    return this.#session.load(session, this.outbox)
  }

  close(): void {
    this.#session.close()
  }
}
