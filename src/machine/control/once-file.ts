import { Deferred } from '../../tree/deferred.ts'
import type { SyntheticFile, SyntheticHandle } from '../../tree/synthetic/entry.ts'

/** Reads of up to this many bytes are answered in full length. */
const PADDED = 16_384

/** A content that no read has got yet. */
interface Offered {
  readonly content: Uint8Array
  readonly onGiven: () => void
}

/**
 * A file that waits for its content: each open gets the next content that was offered, and its first read waits for that.
 * It is for scripts, which a shell reads piece by piece.
 *
 * The content is padded with newlines, which a shell ignores: Linux's client answers a short read with another request
 * before its caller gets any byte.
 */
export class OnceFile {
  readonly file: SyntheticFile = {
    kind: 'file',
    mode: 0o400,
    open: (state) => this.#open(state),
  }
  readonly #offered: Offered[] = []
  readonly #onWaiting: () => void
  readonly #onClosed: (content: Uint8Array | undefined) => void
  #waiting: Deferred<Uint8Array> | undefined

  /**
   * @param onWaiting is called when a read waits for content.
   * @param onClosed is called when an open is closed, with the content that it was given.
   */
  constructor(
    onWaiting: () => void,
    onClosed: (content: Uint8Array | undefined) => void = () => {},
  ) {
    this.#onWaiting = onWaiting
    this.#onClosed = onClosed
  }

  /** @param onGiven is called right before a read is answered with it. */
  offer(content: Uint8Array, onGiven: () => void = () => {}): void {
    this.#offered.push({ content, onGiven })
    this.#handOut()
  }

  /** The contents that were offered and not read yet. */
  get offered(): readonly Uint8Array[] {
    return this.#offered.map(({ content }) => content)
  }

  /** Takes back a content that was offered and not read yet. */
  withdraw(content: Uint8Array): void {
    const index = this.#offered.findIndex((each) => Buffer.compare(each.content, content) === 0)
    if (index >= 0) this.#offered.splice(index, 1)
  }

  /** Forgets the read that waits, and all that was offered. */
  clear(): void {
    this.#waiting = undefined
    this.#offered.length = 0
  }

  /** @param state the content of a saved open, in base64. */
  #open(state = ''): SyntheticHandle {
    let content: Uint8Array | undefined
    if (state !== '') content = Buffer.from(state, 'base64')
    return {
      state: () => content && Buffer.from(content).toString('base64'),
      read: (offset, length) => {
        if (content !== undefined) return piece(content, offset, length)
        const answer = new Deferred<Uint8Array>(() => {
          this.#waiting = undefined
        })
        const first = answer.map((bytes) => {
          content = bytes
          return piece(bytes, 0, length)
        })
        this.#waiting = answer
        this.#onWaiting()
        this.#handOut()
        return first
      },
      close: () => this.#onClosed(content),
    }
  }

  #handOut(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    const next = this.#offered.shift()
    if (next === undefined) return
    this.#waiting = undefined
    next.onGiven()
    waiting.resolve(next.content)
  }
}

function piece(content: Uint8Array, offset: number, length: number): Uint8Array {
  const bytes = content.subarray(offset, offset + length)
  if (bytes.length === 0 || bytes.length === length || length > PADDED) return bytes
  return Buffer.concat([bytes, Buffer.alloc(length - bytes.length, '\n')])
}
