import { FRAME_MAX } from './ethernet.ts'

/** Bytes in front of each frame of a stream: the length, big-endian (net_stream_data_receive in QEMU's net/stream_data.c). */
export const LENGTH_BYTES = 4

/** A length that QEMU never sends. The beginning of the next frame is then unknown, so the stream cannot be used any more. */
export class FramingError extends Error {
  override readonly name = 'FramingError'
}

/** Splits the byte stream of a QEMU's `-netdev stream` into frames, wherever the chunks are cut. */
export class FrameReader {
  /** A frame that is not complete yet, with its length in front. */
  readonly #begun = Buffer.allocUnsafeSlow(LENGTH_BYTES + FRAME_MAX)
  #have = 0

  /**
   * @param take gets each frame that is complete now, with unchecked content. Its bytes are valid only during the call.
   * @throws FramingError
   */
  receive(chunk: Buffer, take: (frame: Buffer) => void): void {
    let at = this.#have > 0 ? this.#finish(chunk, take) : 0
    while (chunk.length - at >= LENGTH_BYTES) {
      const end = at + LENGTH_BYTES + lengthAt(chunk, at)
      if (end > chunk.length) break
      take(chunk.subarray(at + LENGTH_BYTES, end))
      at = end
    }
    this.#add(chunk, at, LENGTH_BYTES + FRAME_MAX)
  }

  /** Continues the frame that is not complete yet. @returns how many bytes of the chunk belong to it. */
  #finish(chunk: Buffer, take: (frame: Buffer) => void): number {
    let at = this.#add(chunk, 0, LENGTH_BYTES)
    if (this.#have < LENGTH_BYTES) return at
    const size = LENGTH_BYTES + lengthAt(this.#begun, 0)
    at = this.#add(chunk, at, size)
    if (this.#have < size) return at
    this.#have = 0
    take(this.#begun.subarray(LENGTH_BYTES, size))
    return at
  }

  /** Copies bytes of the chunk until there are `size`. @returns the position in the chunk behind them. */
  #add(chunk: Buffer, at: number, size: number): number {
    const end = Math.min(chunk.length, at + Math.max(0, size - this.#have))
    this.#have += chunk.copy(this.#begun, this.#have, at, end)
    return end
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32BE(at)
  if (length > FRAME_MAX)
    throw new FramingError(`it announced a frame of ${length} bytes, and ${FRAME_MAX} is the limit`)
  return length
}
