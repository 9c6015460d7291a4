import { Readable } from 'node:stream'
import { Deferred } from '../../tree/deferred.ts'

/** How many bytes of output are buffered here before the guest's writes wait. */
const OUTPUT_BUFFER = 1 << 20

/** A command's output from the guest. While the stream is not read, the guest's write waits (back pressure). */
export class Output extends Readable {
  #finished = false
  #blocked: { readonly answer: Deferred<number>; readonly count: number } | undefined

  constructor() {
    super({ highWaterMark: OUTPUT_BUFFER })
  }

  override _read(): void {
    const blocked = this.#blocked
    this.#blocked = undefined
    blocked?.answer.resolve(blocked.count)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const blocked = this.#blocked
    this.#blocked = undefined
    blocked?.answer.resolve(blocked.count)
    done(error)
  }

  /**
   * Takes `bytes`, and answers a write of `count` when there is room for more.
   *
   * Output after the end of the command is dropped: the slot's pipe serves the next command too.
   */
  accept(bytes: Uint8Array, count: number): number | Deferred<number> {
    if (this.destroyed || this.#finished || bytes.length === 0 || this.push(Buffer.from(bytes)))
      return count
    const answer = new Deferred<number>()
    this.#blocked = { answer, count }
    return answer
  }

  /** Ends the stream. Further calls do nothing. */
  finish(): void {
    if (!this.#finished) this.push(null)
    this.#finished = true
  }
}
