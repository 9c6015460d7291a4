import { setTimeout as sleep } from 'node:timers/promises'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { isReceived, receive } from '../../sys/sockets.ts'
import { systemMemory } from '../../sys/system-memory.ts'
import type { SessionLimits } from '../../session/session-limits.ts'
import type { Exports } from '../../tree/tree.ts'
import type { Turn } from '../event-loop.ts'
import { HOLD_BYTES_MAX, HOLD_INTERVAL, HOLD_TIMEOUT, type Holdable } from '../hold.ts'
import { type SavedStream, StreamSession } from './stream-session.ts'
import { messageOf } from '../../util/error.ts'

/**
 * Serves `exports`, a tree or several, to the client at the other end of a Node stream, on this thread: for
 * trees made of functions, for stdio, and for tests. The server owns the stream from now on.
 *
 * @param log gets one line when the client breaks the protocol.
 * @returns a promise that resolves when the session is over, however it ended.
 */
export function serveDuplex(
  exports: Exports,
  stream: Duplex,
  log: (line: string) => void = () => {},
  limits?: SessionLimits,
): Promise<void> {
  return new DuplexConnection(exports, stream, { log, limits }).over
}

/** How long requests are answered before Node's event loop goes on with others, in milliseconds. */
const TURN_MS = 5

/** The options of a served stream. */
export interface DuplexOptions {
  readonly log?: ((line: string) => void) | undefined
  readonly limits?: SessionLimits | undefined
  /** A session to resume. It is held until {@link DuplexConnection.goOn}. */
  readonly saved?: SavedStream | undefined
  /** A clock in milliseconds, for the length of turns. */
  readonly now?: (() => number) | undefined
}

/** The session that {@link serveDuplex} serves. It can be saved if the stream is a unix socket. */
export class DuplexConnection implements Holdable<SavedStream> {
  /** Resolves when the session is over, however it ended. */
  readonly over: Promise<void>
  readonly #stream: Duplex
  readonly #session: StreamSession
  readonly #log: (line: string) => void
  readonly #now: () => number
  /** The next turn, where the last one was too short. The stream is paused meanwhile. */
  #next: NodeJS.Immediate | undefined
  /**
   * Whether {@link #answer} is running. It sends replies itself; a deferred reply that is committed at
   * another time is sent by the commit.
   */
  #answering = false
  #held = false
  /** Whether the client has closed its side. */
  #isOver = false
  /** Bytes that Node has read from the stream and the inbox has no room for yet. */
  readonly #rest: Buffer[] = []
  #restBytes = 0

  /** @throws Error as Session.load. */
  constructor(
    exports: Exports,
    stream: Duplex,
    { log = () => {}, limits, saved, now = () => performance.now() }: DuplexOptions,
  ) {
    this.#stream = stream
    this.#now = now
    this.#log = log
    this.#session = new StreamSession(exports, log, limits, () => {
      if (!this.#answering) this.#send()
    })
    this.over = new Promise((resolve) => {
      stream.on('data', (chunk: Buffer) => {
        this.#rest.push(chunk)
        this.#restBytes += chunk.length
        if (this.#held && this.#restBytes >= HOLD_BYTES_MAX) stream.pause()
        this.#answer()
      })
      stream.on('drain', this.#answer)
      stream.on('end', () => {
        this.#isOver = true
        this.#answer()
      })
      // The event 'close' follows, and ends the session.
      stream.on('error', () => {})
      stream.once('close', () => {
        clearImmediate(this.#next)
        this.#session.close()
        resolve()
      })
    })
    if (saved === undefined) return
    this.#held = true
    this.#session.load(saved)
  }

  async hold(): Promise<void> {
    this.#descriptor()
    this.#held = true
    const end = performance.now() + HOLD_TIMEOUT
    while (this.#stream.writableLength > 0 || !isReceived(this.#descriptor())) {
      if (performance.now() > end) {
        this.goOn()
        throw new Error(`The client has not taken its replies for ${HOLD_TIMEOUT / 1000} seconds.`)
      }
      await sleep(HOLD_INTERVAL)
    }
  }

  async save(): Promise<SavedStream> {
    const fd = this.#descriptor()
    if (this.#restBytes >= HOLD_BYTES_MAX) {
      throw new Error(`The client has sent ${HOLD_BYTES_MAX} bytes while its answers were held.`)
    }
    // Node may not have read all bytes that have arrived.
    for (let got = receive(fd, arrived.address, arrived.bytes.length); got > 0;) {
      this.#rest.push(Buffer.from(arrived.bytes.subarray(0, got)))
      this.#restBytes += got
      got = receive(fd, arrived.address, arrived.bytes.length)
    }
    const { inbox } = this.#session
    inbox.extend(this.#restBytes)
    while (this.#restBytes > 0) this.#fillInbox()
    return this.#session.save()
  }

  goOn(): void {
    this.#held = false
    this.#stream.resume()
    this.#answer()
  }

  /** Moves bytes that Node has read to the inbox, as many as it has room for. */
  #fillInbox(): void {
    const { inbox } = this.#session
    const [first] = this.#rest
    if (first === undefined) return
    const part = first.subarray(0, inbox.room)
    inbox.memory.bytes.set(part, inbox.end)
    inbox.arrived(part.length)
    this.#restBytes -= part.length
    if (part.length === first.length) this.#rest.shift()
    else this.#rest[0] = first.subarray(part.length)
  }

  /** Hands replies to the stream, unless its buffer is full. */
  #send(): void {
    if (this.#held) return
    const { outbox } = this.#session
    const stream = this.#stream
    if (outbox.pending > 0 && !stream.writableNeedDrain) {
      // A copy: the stream keeps the bytes until the client has taken them.
      const bytes = Buffer.from(outbox.waiting)
      outbox.left(bytes.length)
      stream.write(bytes)
    }
    outbox.isBackedUp = stream.writableNeedDrain
  }

  /** Answers the requests that have arrived. If the client takes no replies, only those that must not wait. */
  readonly #answer = (): void => {
    if (this.#held || this.#next !== undefined) return
    const { outbox } = this.#session
    const stream = this.#stream
    const end = this.#now() + TURN_MS
    const now = this.#now
    const turn: Turn = {
      get isOver() {
        return now() >= end
      },
    }
    this.#answering = true
    try {
      this.#send()
      for (let more = true; more || this.#restBytes > 0;) {
        if (turn.isOver) {
          this.#goOnLater()
          return
        }
        if (!more) this.#fillInbox()
        more = this.#session.answer(turn)
        this.#send()
      }
      if (this.#isOver && !outbox.isBackedUp) stream.end()
    } catch (error) {
      // Not thrown on: only this client's connection has failed.
      this.#log(messageOf(error))
      stream.destroy()
    } finally {
      this.#answering = false
    }
  }

  /** Goes on after what else waits in Node's event loop. Until then nothing more is read from the stream. */
  #goOnLater(): void {
    this.#stream.pause()
    this.#next = setImmediate(() => {
      this.#next = undefined
      if (!this.#held) this.#stream.resume()
      this.#answer()
    })
  }

  /**
   * The descriptor of the socket: Node has no public property for it. @throws Error for a stream that is no
   * open socket.
   */
  #descriptor(): number {
    const { _handle: handle } = this.#stream as {
      readonly _handle?: { readonly fd?: number } | null
    }
    const fd = handle?.fd ?? -1
    if (!(this.#stream instanceof Socket) || fd < 0) {
      throw new Error('Only what is served at a unix socket can be saved, as long as it is open.')
    }
    return fd
  }
}

/** Bytes that a socket receives while it is saved. */
const arrived = systemMemory(64 * 1024)
