import { discard } from '../../libc/files.ts'
import { receive, send } from '../../libc/sockets.ts'
import type { SessionLimits } from '../../server/limits.ts'
import type { Exports } from '../../tree/tree.ts'
import { reasonFor } from '../reason.ts'
import { StreamSession } from '../stream/stream-session.ts'
import type { Watched } from './loop.ts'

/** How often a client's requests are taken in before the others have their turn. */
const TURNS = 16

/** One client on a socket. */
export class Connection implements Watched {
  readonly fd: number
  readonly #stream: StreamSession
  readonly #onEnd: (connection: Connection, reason: string) => void
  /** Frames that wait until replies have left. */
  #unanswered = false

  /** @param onEnd called once when the connection is over; the owner then closes it. */
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

  /** A client that does not take its replies gets no further requests answered. */
  get waitsFor(): 'read' | 'write' {
    return this.#stream.outbox.pending > 0 ? 'write' : 'read'
  }

  ready(): void {
    try {
      if (this.waitsFor === 'write' && !this.#send()) return
      // A busy client's next requests are often there already, and asking for them costs less than
      // another poll(2).
      for (let turn = 0; this.#unanswered || (turn < TURNS && this.#receive()); turn++) {
        this.#unanswered = this.#stream.answer()
        if (!this.#send()) return
      }
    } catch (error) {
      // Whatever it is, it concerns this client alone: the others of this thread are served on.
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

  /** @returns whether bytes arrived. */
  #receive(): boolean {
    const { inbox } = this.#stream
    const received = receive(this.fd, inbox.memory.address + inbox.end, inbox.room)
    if (received === 0) this.#onEnd(this, 'closed by the client')
    if (received <= 0) return false
    inbox.arrived(received)
    return true
  }

  /** @returns whether everything has left. */
  #send(): boolean {
    const { outbox } = this.#stream
    while (outbox.pending > 0) {
      const sent = send(this.fd, outbox.memory.address + outbox.start, outbox.pending)
      if (sent < 0) return false
      outbox.left(sent)
    }
    return true
  }
}
