import { Readable } from 'node:stream'
import { ErrnoError, errno } from '../../sys/errno.ts'
import { Deferred } from '../../tree/deferred.ts'
import type { SyntheticFile, SyntheticHandle } from '../../tree/synthetic/entry.ts'

/** A command's input for the guest, as it comes. A read waits until there is a command, and bytes of it. */
export class Input {
  readonly file: SyntheticFile = { kind: 'file', mode: 0o400, open: (state) => this.#open(state) }
  #stream: Readable | undefined
  #ended = false
  #waiting: { readonly answer: Deferred<Uint8Array>; readonly length: number } | undefined

  /** Sets where the bytes come from. To be called once. */
  from(source: Readable): void {
    // A stream of objects gives each object whole, whatever number of bytes is asked for.
    const stream = source.readableObjectMode ? Readable.from(source, { objectMode: false }) : source
    this.#stream = stream
    stream.on('readable', this.#offer)
    stream.once('end', this.end)
    stream.once('error', this.end)
    this.#offer()
  }

  /** No more bytes will come. */
  readonly end = (): void => {
    this.#stream?.off('readable', this.#offer)
    this.#stream = undefined
    this.#ended = true
    this.#offer()
  }

  #open(state?: string): SyntheticHandle {
    let hasGiven = state !== undefined
    return {
      state: () => (hasGiven ? 'given' : undefined),
      read: (_offset, length) => {
        // Each open waits once. If later reads waited, the client would keep the bytes until its buffer is full.
        if (hasGiven) return this.#take(length) ?? new Uint8Array()
        const answer = new Deferred<Uint8Array>(() => {
          this.#waiting = undefined
        })
        const first = answer.map((bytes) => {
          hasGiven = true
          return bytes
        })
        this.#waiting = { answer, length }
        this.#offer()
        return first
      },
    }
  }

  /** The bytes that are here now; undefined if there are none, and the stream is then asked for more. */
  #take(length: number): Uint8Array | undefined {
    if (this.#stream === undefined) return undefined
    const available = Math.min(this.#stream.readableLength, length)
    // read(0) makes the stream fetch more, and emit 'readable' for it.
    const bytes = this.#stream.read(available) as Buffer | null
    return available > 0 && bytes !== null ? bytes : undefined
  }

  readonly #offer = (): void => {
    const waiting = this.#waiting
    if (waiting === undefined) return
    const bytes = this.#take(waiting.length)
    if (bytes !== undefined) {
      this.#waiting = undefined
      waiting.answer.resolve(bytes)
    } else if (this.#ended) {
      this.#waiting = undefined
      waiting.answer.reject(new ErrnoError(errno.ENODATA, 'stdin'))
    }
  }
}
