import { Readable } from 'node:stream'
import { ErrnoError, errno } from '../../sys/errno.ts'
import { Deferred } from '../../tree/deferred.ts'

/**
 * How many bytes of output are buffered here before the guest's writes wait. A guest that writes single bytes makes each
 * of them a buffer of some hundred bytes, and so 30 MB of this.
 */
const OUTPUT_BUFFER = 256 << 10

/** A write of the guest's that has no room yet. */
interface Waiting {
  readonly bytes: Buffer
  readonly count: number
  readonly answer: Deferred<number>
}

/**
 * A command's output from the guest. While the stream is not read, the guest's write waits (back pressure).
 *
 * One write waits at a time: the carrier in the guest (guest/agent.ts) makes one after the other. Any other is refused, so
 * that a guest can have {@link OUTPUT_BUFFER} bytes and two messages kept here, and no more.
 */
export class Output extends Readable {
  #finished = false
  #waiting: Waiting | undefined

  constructor() {
    super({ highWaterMark: OUTPUT_BUFFER })
  }

  override _read(): void {
    this.#admit()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#admit()
    done(error)
  }

  /**
   * Takes `bytes`, and answers a write of `count` when there is room for them.
   *
   * Output after the end of the command is dropped: the slot's pipe serves the next command too.
   *
   * @throws EAGAIN while another write waits. Nothing is kept of this one then.
   */
  accept(bytes: Uint8Array, count: number): number | Deferred<number> {
    if (this.destroyed || this.#finished || bytes.length === 0) return count
    if (this.#waiting !== undefined) throw new ErrnoError(errno.EAGAIN, 'write')
    if (this.readableLength < OUTPUT_BUFFER) {
      this.push(Buffer.from(bytes))
      return count
    }
    // The bytes of a write that is given up are dropped with it: they must not count as written.
    const answer = new Deferred<number>(() => {
      this.#waiting = undefined
    })
    this.#waiting = { bytes: Buffer.from(bytes), count, answer }
    return answer
  }

  /** Ends the stream. Further calls do nothing. */
  finish(): void {
    this.#admit()
    if (!this.#finished) this.push(null)
    this.#finished = true
  }

  /** Takes the write that waits, if there is one. */
  #admit(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    this.#waiting = undefined
    if (!this.destroyed) this.push(waiting.bytes)
    waiting.answer.resolve(waiting.count)
  }
}
