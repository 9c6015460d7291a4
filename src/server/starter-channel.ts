import { ErrnoError } from '../sys/errno.ts'
import { POLLOUT, PollSet } from '../sys/poll.ts'
import { receive, receiveBlocking, send } from '../sys/sockets.ts'
import { systemMemory } from '../sys/system-memory.ts'
import type { Readiness, Watched } from '../transport/event-loop.ts'
import { LARGE_MESSAGE_MAX, LOG_LINE_MAX, MessageFrames, frameOf } from './message-frames.ts'
import type { EngineCommand, EngineMessage, EngineStart } from './share.ts'

/** The descriptor of a serving process that leads to its starter. */
export const CHANNEL_FD = 3

/** Lines of the log are dropped while more bytes than this wait for a starter that does not read. */
const LOG_WAITING_MAX = 1 << 20

/** How long a process that ends waits for its starter to read the last messages, in milliseconds. */
const LAST_WORDS_TIMEOUT = 1000

/** How many bytes are received or sent at once. */
const PIECE_BYTES = 64 << 10

/**
 * The serving process's end of the socket to its starter. It is read and written with plain system calls, because nothing in
 * this process returns to Node's event loop. Sending never waits: a starter that is busy must not hold up the clients.
 */
export class StarterChannel implements Watched {
  readonly fd = CHANNEL_FD
  readonly #memory = systemMemory(PIECE_BYTES)
  readonly #frames = new MessageFrames(() => LARGE_MESSAGE_MAX)
  /** Messages that have arrived and were not given out. */
  #arrived: unknown[] = []
  /** Frames that are still to be sent, and how many bytes they are. */
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #isGone = false
  #obey: (command: EngineCommand) => void = () => {}
  #onGone: () => void = () => {}

  /** Waits for what the process is started with. @returns undefined if the starter has gone before. */
  start(): EngineStart | undefined {
    while (this.#arrived.length === 0 && !this.#isGone) {
      this.#receive(receiveBlocking)
    }
    return this.#arrived.shift() as EngineStart | undefined
  }

  /**
   * From now on passes on the starter's commands, at first those that have come already.
   *
   * @param onGone is called when the starter is gone or hears nothing any more.
   */
  listen(obey: (command: EngineCommand) => void, onGone: () => void): void {
    this.#obey = obey
    this.#onGone = onGone
    this.#deliver()
  }

  get waitsFor(): Readiness {
    if (this.#isGone) return 'nothing'
    return this.#waitingBytes > 0 ? 'both' : 'read'
  }

  ready(): void {
    this.#send()
    if (!this.#isGone) this.#receive(receive)
    this.#deliver()
  }

  /** Tells the starter, at once or as soon as it reads. @throws RangeError if the message is too long. */
  tell(message: EngineMessage): void {
    if (this.#isGone) return
    if (message.kind === 'log') {
      if (this.#waitingBytes > LOG_WAITING_MAX) return
      message = { ...message, line: message.line.slice(0, LOG_LINE_MAX) }
    }
    const frame = frameOf(message)
    this.#waiting.push(frame)
    this.#waitingBytes += frame.length
    this.#send()
  }

  /** Waits a short while until the starter has read everything: the process is about to end. */
  flush(): void {
    const end = performance.now() + LAST_WORDS_TIMEOUT
    const set = new PollSet()
    while (this.#waitingBytes > 0 && !this.#isGone) {
      const left = Math.ceil(end - performance.now())
      if (left <= 0) return
      set.clear()
      set.add(this.fd, POLLOUT)
      set.wait(left)
      this.#send()
    }
  }

  /** The end of the process closes it. */
  close(): void {}

  #receive(from: typeof receive): void {
    this.#unlessGone(() => {
      const received = from(this.fd, this.#memory.address, PIECE_BYTES)
      if (received === 0) this.#isGone = true
      if (received <= 0) return
      // A copy, because the frames keep it and this memory is used again.
      const piece = Buffer.from(this.#memory.bytes.subarray(0, received))
      this.#arrived.push(...this.#frames.push(piece))
    })
  }

  #deliver(): void {
    for (const command of this.#arrived.splice(0)) this.#obey(command as EngineCommand)
    if (this.#isGone) this.#onGone()
  }

  #send(): void {
    this.#unlessGone(() => {
      for (let frame = this.#waiting[0]; frame !== undefined; frame = this.#waiting[0]) {
        const piece = frame.subarray(0, PIECE_BYTES)
        this.#memory.bytes.set(piece)
        const sent = send(this.fd, this.#memory.address, piece.length)
        if (sent < 0) return
        this.#waitingBytes -= sent
        if (sent === frame.length) this.#waiting.shift()
        else this.#waiting[0] = frame.subarray(sent)
      }
    })
  }

  #unlessGone(act: () => void): void {
    try {
      act()
    } catch (error) {
      // EPIPE or ECONNRESET: the starter has died.
      if (!(error instanceof ErrnoError)) throw error
      this.#isGone = true
    }
  }
}
