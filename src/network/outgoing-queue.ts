import { LENGTH_BYTES } from './frame-reader.ts'

/**
 * The most bytes of frames that wait for a NIC, in addition to as many that are being written. Linux's own queue in
 * front of a NIC holds 1000 frames of mostly 1500 bytes; a guest that is slow for a moment needs no more, and TCP slows
 * down where frames are dropped.
 */
export const QUEUE_BYTES = 1 << 20

/**
 * Frames that wait to be written to a stream, each with its length in front, as QEMU reads them. While one buffer is
 * being written, the other one fills; the caller drops frames that do not fit.
 */
export class OutgoingQueue {
  #filling = Buffer.allocUnsafeSlow(QUEUE_BYTES)
  #leaving = Buffer.allocUnsafeSlow(QUEUE_BYTES)
  #used = 0

  /** @returns false where the frame does not fit. */
  append(frame: Buffer): boolean {
    const size = LENGTH_BYTES + frame.length
    if (QUEUE_BYTES - this.#used < size) return false
    this.#filling.writeUInt32BE(frame.length, this.#used)
    frame.copy(this.#filling, this.#used + LENGTH_BYTES)
    this.#used += size
    return true
  }

  /** All frames that wait; undefined where there are none. The bytes are valid until the next call. */
  take(): Buffer | undefined {
    if (this.#used === 0) return undefined
    const bytes = this.#filling.subarray(0, this.#used)
    ;[this.#filling, this.#leaving] = [this.#leaving, this.#filling]
    this.#used = 0
    return bytes
  }
}
