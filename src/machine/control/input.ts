import { Readable } from 'node:stream'
import { ErrnoError, errno } from '../../sys/errno.ts'
import { Deferred } from '../../tree/deferred.ts'
import type { SyntheticFile, SyntheticHandle } from '../../tree/synthetic/entry.ts'

/** A command's bytes for the guest, as they come. Until there is a command, whoever reads waits. */
export class Input {
  readonly file: SyntheticFile = { kind: 'file', mode: 0o400, open: (state) => this.#open(state) }
  #stream: Readable | undefined
  #ended = false
  #waiting: { readonly answer: Deferred<Uint8Array>; readonly length: number } | undefined

  /** Where the bytes come from, once for all. */
  from(source: Readable): void {
    // One of objects gives each of them whole, however much is asked for.
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
        // Whoever has something does not wait for more: the client would keep it until its buffer is full.
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

  /** Bytes that are here now; undefined when there are none, and then more are asked for. */
  #take(length: number): Uint8Array | undefined {
    if (this.#stream === undefined) return undefined
    const available = Math.min(this.#stream.readableLength, length)
    // To read nothing makes the stream fetch something; 'readable' then says so.
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
