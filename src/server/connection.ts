import { discard } from '../sys/files.ts'
import { isReceived, receive, send } from '../sys/sockets.ts'
import type { SessionLimits } from '../9p/session-limits.ts'
import type { Exports } from '../tree/tree.ts'
import { HOLD_BYTES_MAX } from '../transport/hold.ts'
import { type SavedStream, StreamSession, reasonFor } from '../transport/stream/stream-session.ts'
import type { Readiness, Watched } from '../transport/event-loop.ts'

/** How often a client's requests are received before the other clients have their turn. */
const TURNS = 16

/** How much is received at once while the connection is held, in bytes. */
const HELD_ROOM = 64 * 1024

/** One client on a socket. */
export class Connection implements Watched {
  readonly fd: number
  readonly #stream: StreamSession
  readonly #onEnd: (connection: Connection, reason: string) => void
  /** Whether requests may be left to answer although nothing more arrives. */
  #unanswered = false
  /** Whether the client has closed its side before it has taken its replies. */
  #isOver = false
  #held = false

  /** @param onEnd is called once when the connection is over. The owner then closes it. */
  constructor(
    fd: number,
    exports: Exports,
    limits: SessionLimits,
    log: (line: string) => void,
    onEnd: (connection: Connection, reason: string) => void,
  ) {
    this.fd = fd
    this.#stream = new StreamSession(exports, log, limits)
    this.#onEnd = onEnd
  }

  /** Resumes a saved session, before any request. @returns as Session.load. */
  load(saved: SavedStream): number {
    const lost = this.#stream.load(saved)
    this.#unanswered = true
    return lost
  }

  /** Requests are received even if the client takes no replies, see 9p/postponed.ts. */
  get waitsFor(): Readiness {
    const { inbox, outbox } = this.#stream
    if (this.#held)
      return this.#isOver || inbox.waiting.length >= HOLD_BYTES_MAX ? 'nothing' : 'read'
    if (!this.#unanswered && outbox.pending === 0) return 'read'
    return this.#isOver ? 'write' : 'both'
  }

  /** From now on answers nothing and sends nothing. What arrives is kept. */
  hold(): void {
    this.#held = true
  }

  goOn(): void {
    this.#held = false
    this.#unanswered = true
  }

  /** Whether the client has received all that was sent. Only a unix socket tells. */
  get isReceived(): boolean {
    return isReceived(this.fd)
  }

  /**
   * The state from which another server goes on, with all bytes that have arrived. Only while held, and with
   * the client stopped.
   */
  save(): SavedStream {
    while (this.#receive(HELD_ROOM));
    return this.#stream.save()
  }

  ready(): void {
    try {
      if (this.#held) {
        this.#receive(HELD_ROOM)
        return
      }
      this.#send()
      // A busy client's next requests are often there already, and recv(2) costs less than another poll(2).
      for (let turn = 0; this.#unanswered || (turn < TURNS && this.#receive()); turn++) {
        this.#unanswered = this.#stream.answer()
        // Once the outbox is backed up, poll(2) says when there is room again.
        if (!this.#stream.outbox.isBackedUp) this.#send()
      }
    } catch (error) {
      // Not thrown on: only this client's connection has failed, and the thread serves the others on.
      this.#onEnd(this, reasonFor(error))
    }
  }

  close(): void {
    try {
      this.#stream.close()
    } finally {
      discard(this.fd)
    }
  }

  /**
   * @param room how many bytes to receive at most. Default: as many as there is room for.
   * @returns whether bytes arrived.
   */
  #receive(room = 0): boolean {
    const { inbox, outbox } = this.#stream
    if (room > 0) inbox.extend(room)
    const received = receive(this.fd, inbox.memory.address + inbox.end, inbox.room)
    if (received === 0) {
      this.#isOver = outbox.pending > 0
      if (!this.#isOver) this.#onEnd(this, 'closed by the client')
    }
    if (received <= 0) return false
    inbox.arrived(received)
    return true
  }

  #send(): void {
    const { outbox } = this.#stream
    while (outbox.pending > 0) {
      const sent = send(this.fd, outbox.memory.address + outbox.start, outbox.pending)
      if (sent < 0) {
        outbox.isBackedUp = true
        return
      }
      outbox.left(sent)
    }
    if (!outbox.isBackedUp) return
    outbox.isBackedUp = false
    // Requests that were postponed can be answered now.
    this.#unanswered = true
  }
}
