import { LENGTH_BYTES } from './frame-reader.ts'

/**
 * Most bytes of frames that wait for a network card to take them, beside as many that are being written. Linux's
 * queue in front of a card holds 1000 frames, of 1500 bytes as a rule; a guest that is slow for a moment needs no
 * more, and TCP slows down where frames are dropped.
 */
export const QUEUE_BYTES = 1 << 20

/**
 * Frames on their way into a stream, each with its length in front, as QEMU reads them. While one half is being
 * written the other one fills up; what does not fit there is the caller's to drop.
 */
export class OutgoingQueue {
  #filling = Buffer.allocUnsafeSlow(QUEUE_BYTES)
  #leaving = Buffer.allocUnsafeSlow(QUEUE_BYTES)
  #used = 0

  /** @returns whether there was room. */
  append(frame: Buffer): boolean {
    const size = LENGTH_BYTES + frame.length
    if (QUEUE_BYTES - this.#used < size) return false
    this.#filling.writeUInt32BE(frame.length, this.#used)
    frame.copy(this.#filling, this.#used + LENGTH_BYTES)
    this.#used += size
    return true
  }

  /** All that waits, if anything. The bytes stay as they are until this is called again. */
  take(): Buffer | undefined {
    if (this.#used === 0) return undefined
    const bytes = this.#filling.subarray(0, this.#used)
    ;[this.#filling, this.#leaving] = [this.#leaving, this.#filling]
    this.#used = 0
    return bytes
  }
}
