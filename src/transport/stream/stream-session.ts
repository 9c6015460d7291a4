import { ProtocolError } from '../../wire/protocol-error.ts'
import { decodeRequest, requestOfType } from '../../9p/wire/codec.ts'
import { frameType } from '../../9p/wire/frame.ts'
import { HEADER_BYTES, MSIZE_MIN, NOFID, NOTAG } from '../../9p/wire/limits.ts'
import type { T } from '../../9p/wire/messages.ts'
import { Reader } from '../../wire/cursor.ts'
import { type Memory, heapMemory } from '../../sys/memory.ts'
import type { SessionLimits } from '../../session/session-limits.ts'
import { REPLY_BYTES } from '../../9p/postponed.ts'
import type { SavedSession } from '../../9p/saved-session.ts'
import { Session } from '../../9p/session.ts'
import type { Exports } from '../../tree/tree.ts'
import { type Turn, endlessTurn } from '../event-loop.ts'
import { Inbox } from './inbox.ts'
import { StreamOutbox } from './stream-outbox.ts'
import { messageOf } from '../../util/error.ts'

/**
 * How many replies are sent together. More would cost a little less if client and server share a CPU. If they
 * do not, the client would sleep although its first reply is ready.
 */
const TOGETHER = 8

/**
 * How many bytes of replies may wait for a client that sends requests and takes no replies. A client that
 * follows the protocol cannot reach this, since each of its requests has its own tag.
 */
const OVERDUE_MOST = NOTAG * REPLY_BYTES

/** A session over a byte stream as plain data, fit for JSON. The bytes are in base64. */
export interface SavedStream {
  readonly session: SavedSession
  /** The bytes that had arrived and were not answered. They may end within a frame. */
  readonly received: string
  /** The bytes that were not sent. They may begin within a frame. */
  readonly unsent: string
}

/** A 9P session over a byte stream: what is common to all kinds of streams. */
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
   * Answers the frames that have arrived, until there is no whole frame left, the replies should be sent
   * first, or the turn is over. Under back pressure, it takes in all frames.
   *
   * @returns whether there may be more to answer now. @throws ProtocolError for a malformed frame: the
   *   connection has to end.
   */
  answer(turn: Turn = endlessTurn): boolean {
    const { inbox, outbox } = this
    const session = this.#session
    for (let replies = 0; replies < TOGETHER; replies++) {
      if (!outbox.isBackedUp) {
        if (!outbox.hasRoom(session.msize || MSIZE_MIN) && outbox.pending > 0) return true
        if (session.catchUp()) {
          if (turn.isOver) return true
          continue
        }
      }
      const size = inbox.next(session.msize)
      if (size === 0) return false
      if (replies > 0 && turn.isOver) return true
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

  /**
   * The aname of the next request, if that is a Tattach that the session, which has not seen it, could answer without an error.
   *
   * @throws ProtocolError as {@link answer}.
   */
  get attachesTo(): string | undefined {
    const { inbox } = this
    const { msize } = this.#session
    if (msize === 0) return undefined
    const size = inbox.next(msize)
    if (size === 0) return undefined
    const request = attachOf(inbox.memory, inbox.start, size)
    return request === undefined || request.afid !== NOFID ? undefined : request.aname
  }

  /** The state from which {@link load} goes on. It does not contain bytes that are still in the stream. */
  save(): SavedStream {
    const { inbox, outbox } = this
    const { isBackedUp } = outbox
    // Deferred replies that become ready because of the save do not count as the client's.
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
   * Goes on from the saved state of another session. Afterwards there may be replies to send and frames to
   * answer.
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
    // Requests that were postponed stay so until these bytes are sent.
    outbox.isBackedUp = true
    const lost = this.#session.load(session, outbox)
    outbox.isBackedUp = false
    return lost
  }

  close(): void {
    this.#session.close()
  }
}

/** The Tattach that the frame at `start` is; undefined for any other frame, and a malformed one. */
function attachOf(memory: Memory, start: number, size: number): T<'attach'> | undefined {
  const message = requestOfType(frameType(memory, start))
  if (message?.name !== 'attach') return undefined
  const from = new Reader(heapMemory(0)).over(memory, start + HEADER_BYTES, start + size)
  try {
    return decodeRequest(message as typeof message & { name: 'attach' }, from)
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

/** The reason why a stream's session ends, for the log. */
export function reasonFor(error: unknown): string {
  if (!(error instanceof ProtocolError)) return messageOf(error)
  return `protocol error ${error.code}: ${error.message}`
}
