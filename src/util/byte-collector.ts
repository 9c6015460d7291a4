/**
 * Collects bytes that arrive in pieces, up to a limit. All pieces are copied into one buffer that grows: the sender decides
 * how small they are, and a list of them would cost a hundred bytes for each.
 */
export class ByteCollector {
  readonly limit: number
  #buffer = Buffer.alloc(0)
  #length = 0

  /** @param limit the most bytes that are kept. */
  constructor(limit: number) {
    this.limit = limit
  }

  /** How many bytes are kept. */
  get length(): number {
    return this.#length
  }

  /** Keeps as many of `bytes` as there is room for. @returns whether there was room for all of them. */
  add(bytes: Uint8Array): boolean {
    const taken = Math.min(bytes.length, this.limit - this.#length)
    this.#grow(this.#length + taken)
    this.#buffer.set(bytes.subarray(0, taken), this.#length)
    this.#length += taken
    return taken === bytes.length
  }

  /** The bytes from `start` on. They share the collector's memory, which later bytes are only added to. */
  from(start: number): Buffer {
    return this.#buffer.subarray(start, this.#length)
  }

  #grow(wanted: number): void {
    if (wanted <= this.#buffer.length) return
    const size = Math.min(this.limit, Math.max(2 * this.#buffer.length, wanted))
    const grown = Buffer.allocUnsafe(size)
    grown.set(this.from(0))
    this.#buffer = grown
  }
}
