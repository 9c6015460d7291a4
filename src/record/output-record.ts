import { isUtf8 } from 'node:buffer'

/** How many bytes of a stream's beginning are kept, and in how many parts at most. */
const HEAD = { bytes: 64 * 1024, parts: 1000 }

/** How many bytes of its end are kept, beyond its beginning. */
const TAIL = 64 * 1024

/** A part of a stream, in the words of {@link CommandOutput}. */
export interface OutputPart {
  readonly skipped?: number
  readonly text?: string
  readonly base64?: string
}

/**
 * What one stream of a command writes, bounded: its beginning is given out as it comes, and of the rest
 * the end, when the stream has ended.
 */
export class OutputRecord {
  readonly #emit: (part: OutputPart) => void
  readonly #tail: Buffer[] = []
  /** The beginning of a character of which the rest is still to come. */
  #cut: Buffer = Buffer.alloc(0)
  #headBytes = 0
  #headParts = 0
  #tailBytes = 0
  #skipped = 0

  constructor(emit: (part: OutputPart) => void) {
    this.#emit = emit
  }

  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    const room = this.#headParts < HEAD.parts ? HEAD.bytes - this.#headBytes : 0
    const first = bytes.subarray(0, room)
    if (first.length > 0) {
      this.#headBytes += first.length
      this.#headParts += 1
      const whole = Buffer.concat([this.#cut, first])
      const end = lastBoundary(whole)
      this.#cut = whole.subarray(end)
      this.#give(whole.subarray(0, end))
    }
    // A copy: the caller may use its memory again.
    if (first.length < bytes.length) this.#addToTail(Buffer.from(bytes.subarray(first.length)))
  }

  /** The stream has ended; nothing may be added any more. */
  end(): void {
    const rest = Buffer.concat(this.#tail)
    this.#tail.length = 0
    if (this.#skipped === 0) {
      this.#give(Buffer.concat([this.#cut, rest]))
      return
    }
    // What is left out begins with the character that was cut, and may end within another.
    const start = rest.findIndex((byte) => (byte & 0xc0) !== 0x80)
    const lost = start > 0 && start < 4 ? start : 0
    this.#give(rest.subarray(lost), this.#skipped + this.#cut.length + lost)
  }

  #addToTail(bytes: Buffer): void {
    this.#tail.push(bytes)
    this.#tailBytes += bytes.length
    while (this.#tailBytes > TAIL) {
      const oldest = this.#tail[0]
      if (oldest === undefined) return
      const surplus = Math.min(oldest.length, this.#tailBytes - TAIL)
      if (surplus === oldest.length) this.#tail.shift()
      else this.#tail[0] = oldest.subarray(surplus)
      this.#tailBytes -= surplus
      this.#skipped += surplus
    }
  }

  #give(bytes: Buffer, skipped = 0): void {
    if (bytes.length === 0) return
    this.#emit({
      ...(skipped > 0 ? { skipped } : {}),
      ...(isUtf8(bytes) ? { text: bytes.toString() } : { base64: bytes.toString('base64') }),
    })
  }
}

/** Where the last whole UTF-8 character ends; all of it where the end is not the beginning of one. */
function lastBoundary(bytes: Buffer): number {
  const earliest = Math.max(0, bytes.length - 3)
  for (let at = bytes.length - 1; at >= earliest; at -= 1) {
    const byte = bytes[at] ?? 0
    if ((byte & 0xc0) === 0x80) continue
    const length = byte >= 0xf8 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return at + length > bytes.length ? at : bytes.length
  }
  return bytes.length
}
