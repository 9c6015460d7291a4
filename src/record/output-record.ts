import { isUtf8 } from 'node:buffer'

/** The limits of a stream's beginning, which is kept: bytes, and parts in which they come. */
const HEAD = { bytes: 64 * 1024, parts: 1000 }

/** The limit of a stream's end, which is kept as well, in bytes. */
const TAIL = 64 * 1024

/** A part of a stream, with the properties of {@link CommandOutput}. */
export interface OutputPart {
  readonly skipped?: number
  readonly text?: string
  readonly base64?: string
}

/**
 * Bounds the record of one stream of a command. The beginning is emitted as it comes, and the end when the stream has
 * ended. The middle of a long stream is left out.
 */
export class OutputRecord {
  readonly #emit: (part: OutputPart) => void
  readonly #tail: Buffer[] = []
  /** The first bytes of a UTF-8 character whose other bytes have not come yet. */
  #cut: Buffer = Buffer.alloc(0)
  #headBytes = 0
  #headParts = 0
  #tailBytes = 0
  #skipped = 0

  constructor(emit: (part: OutputPart) => void) {
    this.#emit = emit
  }

  /** Adds bytes of the stream. */
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

  /** Emits what is left. The stream has ended, and no bytes may be added after this. */
  end(): void {
    const rest = Buffer.concat(this.#tail)
    this.#tail.length = 0
    if (this.#skipped === 0) {
      this.#give(Buffer.concat([this.#cut, rest]))
      return
    }
    // The gap starts with the character that was cut. Where it ends within another one, that one is left out as well.
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

/** The end of the last complete UTF-8 character. Where the last bytes are not the start of one, the end of `bytes`. */
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
