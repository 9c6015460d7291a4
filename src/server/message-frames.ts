/**
 * The most bytes of a message that may be large: what a server is started with, and saved sessions. One session of a
 * million files takes some 100 MB.
 */
export const LARGE_MESSAGE_MAX = 256 << 20

/** The most bytes of any other message. A line of the log is the longest, see {@link LOG_LINE_MAX}. */
export const MESSAGE_MAX = 64 << 10

/** The most characters of a line of the log that a serving process sends. One takes 6 bytes of JSON at most. */
export const LOG_LINE_MAX = 4096

const HEADER_BYTES = 4

/** The message as a frame: the length of its JSON in 4 bytes, little endian, and the JSON. @throws RangeError if it is too long. */
export function frameOf(message: unknown): Buffer {
  const json = JSON.stringify(message)
  const length = Buffer.byteLength(json)
  if (length > LARGE_MESSAGE_MAX) {
    throw new RangeError(`a message of ${length} bytes is longer than ${LARGE_MESSAGE_MAX}`)
  }
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length)
  frame.writeUInt32LE(length, 0)
  frame.write(json, HEADER_BYTES)
  return frame
}

/** Takes the messages out of a stream of frames, in whatever pieces these arrive. */
export class MessageFrames {
  /** What has arrived of the frame that is not whole yet. It never has more than one frame and one piece. */
  #pieces: Uint8Array[] = []
  #bytes = 0
  readonly #most: () => number

  /** @param most the most bytes that a message may have at this moment. */
  constructor(most: () => number) {
    this.#most = most
  }

  /**
   * Takes the next piece, which must not change afterwards.
   *
   * @returns the messages that are whole now. They are JSON, and nothing else is known of them.
   * @throws Error if a message is longer than it may be, SyntaxError if it is no JSON.
   */
  push(piece: Uint8Array): unknown[] {
    const messages: unknown[] = []
    this.#pieces.push(piece)
    this.#bytes += piece.length
    for (;;) {
      const length = this.#length()
      if (length === undefined || this.#bytes < HEADER_BYTES + length) return messages
      const all = this.#all()
      const end = HEADER_BYTES + length
      messages.push(JSON.parse(all.toString('utf8', HEADER_BYTES, end)))
      this.#pieces = [all.subarray(end)]
      this.#bytes = all.length - end
    }
  }

  /** The length of the message that comes next; undefined if that has not arrived yet. */
  #length(): number | undefined {
    if (this.#bytes < HEADER_BYTES) return undefined
    const [first] = this.#pieces
    const header = first !== undefined && first.length >= HEADER_BYTES ? first : this.#all()
    const length = Buffer.from(header.buffer, header.byteOffset, HEADER_BYTES).readUInt32LE(0)
    const most = this.#most()
    if (length > most)
      throw new Error(`a message of ${length} bytes, where at most ${most} may come`)
    return length
  }

  /** All bytes in one piece. */
  #all(): Buffer {
    const all = Buffer.concat(this.#pieces)
    this.#pieces = [all]
    return all
  }
}
