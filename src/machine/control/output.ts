import { Readable } from 'node:stream'
import { Deferred } from '../../tree/deferred.ts'

/** How many bytes of output wait here for somebody to read them before the guest has to. */
const OUTPUT_BUFFER = 1 << 20

/** A command's bytes from the guest. When nobody reads them, the guest's write waits. */
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
   * What comes when nobody wants it any more is dropped: the pipe behind it is not this command's alone.
   */
  accept(bytes: Uint8Array, count: number): number | Deferred<number> {
    if (this.destroyed || this.#finished || bytes.length === 0 || this.push(Buffer.from(bytes)))
      return count
    const answer = new Deferred<number>()
    this.#blocked = { answer, count }
    return answer
  }

  /** No more will come; to say so again does nothing. */
  finish(): void {
    if (!this.#finished) this.push(null)
    this.#finished = true
  }
}
