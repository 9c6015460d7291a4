import { FRAME_MAX } from './ethernet.ts'

/** Bytes in front of each frame of a stream: its length, big-endian (net_stream_data_receive in QEMU's net/stream_data.c). */
export const LENGTH_BYTES = 4

/** What QEMU never sends. Where the next frame begins is then unknown: the stream is of no more use. */
export class FramingError extends Error {
  override readonly name = 'FramingError'
}

/** Makes frames of what comes from a QEMU's `-netdev stream`, however the bytes are cut. */
export class FrameReader {
  /** A frame of which a part has come, with its length in front. */
  readonly #begun = Buffer.allocUnsafeSlow(LENGTH_BYTES + FRAME_MAX)
  #have = 0

  /**
   * @param take gets each frame that is whole now, with no promise about what it holds. Its bytes are only
   *   there during the call.
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

  /** Goes on with the frame that has begun. @returns how many bytes of the chunk were part of it. */
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

  /** Keeps bytes of the chunk until there are `size`. @returns where in the chunk the next ones are. */
  #add(chunk: Buffer, at: number, size: number): number {
    const end = Math.min(chunk.length, at + Math.max(0, size - this.#have))
    this.#have += chunk.copy(this.#begun, this.#have, at, end)
    return end
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32BE(at)
  if (length > FRAME_MAX)
    throw new FramingError(`a frame of ${length} bytes, where ${FRAME_MAX} are the most`)
  return length
}
