import { discard } from '../sys/files.ts'
import { isReceived, receive, send } from '../sys/sockets.ts'
import type { SessionLimits } from '../session/session-limits.ts'
import type { Exports } from '../tree/tree.ts'
import { HOLD_BYTES_MAX } from '../transport/hold.ts'
import { type SavedStream, StreamSession, reasonFor } from '../transport/stream/stream-session.ts'
import type { EventLoop, Readiness, Turn, Watched } from '../transport/event-loop.ts'

/** How much is received at once while the connection is held, in bytes. */
const HELD_ROOM = 64 * 1024

/** How much is received at once from a client that may be passed on: what is behind its Tattach goes with it. */
const PASSED_ROOM = 8 * 1024

/** Ends a turn after one request. */
const oneRequest: Turn = { isOver: true }

/**
 * Called before a session sees a Tattach. @returns whether the client has left: its session goes on in another process, see
 * {@link Connection.giveAway}.
 */
export type OnAttach = (client: Connection, aname: string) => boolean

/** One client on a socket. */
export class Connection implements Watched {
  readonly fd: number
  /** Whether the client has sent anything. */
  hasSpoken = false
  readonly #loop: EventLoop
  readonly #stream: StreamSession
  readonly #onEnd: (connection: Connection, reason: string) => void
  /** Whether requests may be left to answer although nothing more arrives. */
  #unanswered = false
  /** Whether the client has closed its side before it has taken its replies. */
  #isOver = false
  #held = false
  /** Whether {@link ready} is running. It sends replies itself. */
  #hasTurn = false
  readonly #onAttach: OnAttach | undefined
  /** Whether the descriptor belongs to this connection no more. */
  #isGivenAway = false

  /**
   * @param onEnd is called once when the connection is over. The owner then closes it.
   * @param onAttach for a client that may leave for another process.
   */
  constructor(
    fd: number,
    loop: EventLoop,
    exports: Exports,
    limits: SessionLimits,
    log: (line: string) => void,
    onEnd: (connection: Connection, reason: string) => void,
    onAttach?: OnAttach,
  ) {
    this.fd = fd
    this.#loop = loop
    this.#stream = new StreamSession(exports, log, limits, () => {
      // A deferred reply, which another client's request has led to.
      if (!this.#hasTurn) loop.changed(this)
    })
    this.#onEnd = onEnd
    this.#onAttach = onAttach
  }

  /** Resumes a saved session, before any request. @returns as Session.load. */
  load(saved: SavedStream): number {
    const lost = this.#stream.load(saved)
    this.#unanswered = true
    this.#loop.changed(this)
    return lost
  }

  /** Requests are received even if the client takes no replies, see 9p/postponed.ts. */
  get waitsFor(): Readiness {
    const { inbox, outbox } = this.#stream
    if (this.#held)
      return this.#isOver || inbox.waiting.length >= HOLD_BYTES_MAX ? 'nothing' : 'read'
    if (!outbox.isBackedUp) return 'read'
    return this.#isOver ? 'write' : 'both'
  }

  get hasMore(): boolean {
    const { outbox } = this.#stream
    return !this.#held && (this.#unanswered || (outbox.pending > 0 && !outbox.isBackedUp))
  }

  /** From now on answers nothing and sends nothing. What arrives is kept. */
  hold(): void {
    this.#held = true
    this.#loop.changed(this)
  }

  goOn(): void {
    this.#held = false
    this.#unanswered = true
    this.#loop.changed(this)
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

  /**
   * The state from which another process goes on with this client. From now on the descriptor is the caller's, and stays open
   * when this connection is closed.
   */
  giveAway(): SavedStream {
    this.#isGivenAway = true
    return this.#stream.save()
  }

  ready(turn: Turn): void {
    this.#hasTurn = true
    try {
      if (this.#held) {
        this.#receive(HELD_ROOM)
        return
      }
      this.#send()
      // A busy client's next requests are often there already, and recv(2) costs less than another wait.
      while (this.#unanswered || this.#receive()) {
        if (this.#hasLeft()) return
        this.#unanswered = this.#stream.answer(this.#onAttach === undefined ? turn : oneRequest)
        // Once the outbox is backed up, the loop says when there is room again.
        if (!this.#stream.outbox.isBackedUp) this.#send()
        if (this.#onAttach !== undefined && this.#stream.outbox.pending > 0) {
          // No other process gets replies to send. Before its Tattach no client needs more than fit into a socket.
          this.#onEnd(this, 'takes no replies before it attaches')
          return
        }
        if (turn.isOver) return
      }
    } catch (error) {
      // Not thrown on: only this client's connection has failed, and the thread serves the others on.
      this.#onEnd(this, reasonFor(error))
    } finally {
      this.#hasTurn = false
    }
  }

  close(): void {
    try {
      this.#stream.close()
    } finally {
      if (!this.#isGivenAway) discard(this.fd)
    }
  }

  #hasLeft(): boolean {
    if (this.#onAttach === undefined) return false
    const aname = this.#stream.attachesTo
    return aname !== undefined && this.#onAttach(this, aname)
  }

  /**
   * @param room how many bytes to receive at most. Default: as many as there is room for.
   * @returns whether bytes arrived.
   */
  #receive(room = 0): boolean {
    const { inbox, outbox } = this.#stream
    if (room > 0) inbox.extend(room)
    const most = this.#onAttach === undefined ? inbox.room : Math.min(inbox.room, PASSED_ROOM)
    const received = receive(this.fd, inbox.memory.address + inbox.end, most)
    if (received === 0) {
      this.#isOver = outbox.pending > 0
      if (!this.#isOver) this.#onEnd(this, 'closed by the client')
    }
    if (received <= 0) return false
    this.hasSpoken = true
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
