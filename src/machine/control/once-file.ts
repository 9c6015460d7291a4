import { Deferred } from '../../tree/deferred.ts'
import type { SyntheticFile, SyntheticHandle } from '../../tree/synthetic/entry.ts'

/** Up to this many bytes the answer to a read is made as long as was asked for. */
const PADDED = 16_384

/**
 * A file that waits for its content: each open gets what was offered next, and its first read waits until there
 * is something. For scripts, which a shell reads piece by piece.
 *
 * Newlines follow the content, to which a shell pays no heed: Linux's client, given less than was asked for, asks
 * again before its caller gets anything.
 */
export class OnceFile {
  readonly file: SyntheticFile = {
    kind: 'file',
    mode: 0o400,
    open: (state) => this.#open(state),
  }
  readonly #offered: Uint8Array[] = []
  readonly #onWaiting: () => void
  readonly #onClosed: (hadContent: boolean) => void
  #waiting: Deferred<Uint8Array> | undefined

  /** @param onWaiting is called when somebody waits for content, and `onClosed` when somebody has closed the file. */
  constructor(onWaiting: () => void, onClosed: (hadContent: boolean) => void = () => {}) {
    this.#onWaiting = onWaiting
    this.#onClosed = onClosed
  }

  offer(content: Uint8Array): void {
    this.#offered.push(content)
    this.#handOut()
  }

  /** What was offered and nobody has had. */
  get offered(): readonly Uint8Array[] {
    return this.#offered
  }

  /** Nobody waits any more, and nothing is to be had. */
  clear(): void {
    this.#waiting = undefined
    this.#offered.length = 0
  }

  /** @param state the content that another has, in base64. */
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
      close: () => this.#onClosed(content !== undefined),
    }
  }

  #handOut(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    const content = this.#offered.shift()
    if (content === undefined) return
    this.#waiting = undefined
    waiting.resolve(content)
  }
}

function piece(content: Uint8Array, offset: number, length: number): Uint8Array {
  const bytes = content.subarray(offset, offset + length)
  if (bytes.length === 0 || bytes.length === length || length > PADDED) return bytes
  return Buffer.concat([bytes, Buffer.alloc(length - bytes.length, '\n')])
}
