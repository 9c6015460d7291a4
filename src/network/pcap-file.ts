import { closeSync, openSync, writeSync } from 'node:fs'
import { isSystemError } from '../util/error.ts'
import { REPLACE_CONTENT } from '../util/no-follow.ts'
import type { Clock } from './clock.ts'
import { FRAME_MAX } from './ethernet.ts'

/** Frames are collected up to so many bytes, or for so many milliseconds, before they are written. */
const BUFFER_BYTES = 256 << 10
const FLUSH_AFTER = 100

/** Bytes in front of each frame: its time and twice its length. */
const RECORD_HEADER_BYTES = 16

/** LINKTYPE_ETHERNET in tcpdump.org's list of link types. */
const ETHERNET = 1

/**
 * A file of frames in the classic pcap format (draft-ietf-opsawg-pcap), which Wireshark and tcpdump open, with
 * times in microseconds. It is written continuously, so it can be read even if this process is killed.
 */
export class PcapFile {
  readonly #fd: number
  readonly #clock: Clock
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  #used = 0
  #size = 0
  #failure: Error | undefined
  #callOff: (() => void) | undefined

  /** Replaces a file that exists. @throws Node's error when the file cannot be made, or the path is a symlink (ELOOP). */
  constructor(path: string, clock: Clock) {
    this.#clock = clock
    this.#fd = openSync(path, REPLACE_CONTENT)
    // Magic number, version 2.4, two reserved fields, longest frame, link type.
    this.#put([0xa1b2_c3d4, 0x0004_0002, 0, 0, FRAME_MAX, ETHERNET])
    this.#flush()
  }

  /** The size of the file in bytes, with the frames that are not written yet. */
  get size(): number {
    return this.#size
  }

  /** Adds a frame with the current time. Does nothing once writing has failed. */
  write(frame: Buffer): void {
    if (BUFFER_BYTES - this.#used < RECORD_HEADER_BYTES + frame.length) this.#flush()
    const microseconds = Math.floor((performance.timeOrigin + performance.now()) * 1000)
    const seconds = Math.floor(microseconds / 1e6)
    this.#put([seconds, microseconds % 1e6, frame.length, frame.length])
    this.#used += frame.copy(this.#buffer, this.#used)
    this.#size += frame.length
    this.#callOff ??= this.#clock.later(FLUSH_AFTER, () => this.#flush())
  }

  /**
   * Writes the frames that are not written yet, and closes the file.
   *
   * @throws Node's error when writing has failed, now or before.
   */
  close(): void {
    this.#flush()
    closeSync(this.#fd)
    if (this.#failure !== undefined) throw this.#failure
  }

  #put(numbers: readonly number[]): void {
    for (const number of numbers) this.#used = this.#buffer.writeUInt32LE(number, this.#used)
    this.#size += 4 * numbers.length
  }

  #flush(): void {
    this.#callOff?.()
    this.#callOff = undefined
    const end = this.#used
    this.#used = 0
    try {
      let at = 0
      while (at < end && this.#failure === undefined)
        at += writeSync(this.#fd, this.#buffer, at, end - at)
    } catch (error) {
      if (!isSystemError(error)) throw error
      this.#failure = error
    }
  }
}
