import { messageOf } from '../../sys/errno.ts'
import { ProtocolError } from '../../9p/wire/protocol-error.ts'
import { MSIZE_MIN, NOTAG } from '../../9p/wire/limits.ts'
import type { Memory } from '../../sys/memory.ts'
import type { SessionLimits } from '../../9p/session-limits.ts'
import { REPLY_BYTES } from '../../9p/postponed.ts'
import type { SavedSession } from '../../9p/saved-session.ts'
import { Session } from '../../9p/session.ts'
import type { Exports } from '../../tree/tree.ts'
import { Inbox } from './inbox.ts'
import { StreamOutbox } from './stream-outbox.ts'

/**
 * Replies that leave together. More would cost a little less where client and server share a
 * processor; where they do not, the client could sleep through all of it while the first is ready.
 */
const TOGETHER = 8

/**
 * How many bytes of replies may wait for a client that asks on without taking them: each request under way has a tag
 * of its own, so a client that keeps to the protocol cannot have more.
 */
const OVERDUE_MOST = NOTAG * REPLY_BYTES

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
   * Answers the frames that have arrived, until none is whole or the replies should leave first. Where these
   * cannot leave, all frames are taken in nevertheless.
   *
   * @returns whether there may be more to do now.
   * @throws ProtocolError: the connection has to end.
   */
  answer(): boolean {
    const { inbox, outbox } = this
    const session = this.#session
    for (let replies = 0; replies < TOGETHER; replies++) {
      if (!outbox.isBackedUp) {
        if (!outbox.hasRoom(session.msize || MSIZE_MIN) && outbox.pending > 0) return true
        if (session.catchUp()) continue
      }
      const size = inbox.next(session.msize)
      if (size === 0) return false
      const memory: Memory = inbox.memory
      session.receive(memory, inbox.start, size, outbox)
      inbox.consume(size)
      if (outbox.isBackedUp && outbox.overdue > OVERDUE_MOST) {
        throw new ProtocolError(
          'TOO_MANY_REQUESTS',
          `${outbox.pending} bytes of replies wait to be taken, and the client asks on`,
        )
      }
    }
    return true
  }

  /** What {@link load} goes on with. The stream itself must be empty, or its bytes are lost. */
  save(): SavedStream {
    const { inbox, outbox } = this
    const { isBackedUp } = outbox
    // What becomes ready by it is no fault of the client's.
    outbox.isBackedUp = false
    const session = this.#session.save()
    outbox.isBackedUp = isBackedUp
    return {
      session,
      received: inbox.waiting.toString('base64'),
      unsent: outbox.waiting.toString('base64'),
    }
  }

  /**
   * Goes on where another has left off: replies may be ready then, and frames to be answered.
   *
   * @returns and throws as Session.load.
   */
  load({ session, received, unsent }: SavedStream): number {
    const { inbox, outbox } = this
    const bytes = Buffer.from(received, 'base64')
    inbox.extend(bytes.length)
    inbox.memory.bytes.set(bytes, inbox.end)
    inbox.arrived(bytes.length)
    outbox.begin(Buffer.from(unsent, 'base64'))
    // What was postponed goes on being so until that has left.
    outbox.isBackedUp = true
    const lost = this.#session.load(session, outbox)
    outbox.isBackedUp = false
    return lost
  }

  close(): void {
    this.#session.close()
  }
}

/** Why a stream's session ends, for the log. */
export function reasonFor(error: unknown): string {
  if (!(error instanceof ProtocolError)) return messageOf(error)
  return `protocol error ${error.code}: ${error.message}`
}
