import { closeSync, openSync, writeSync } from 'node:fs'
import type { Clock } from './clock.ts'
import { FRAME_MAX } from './ethernet.ts'

/** Bytes that are collected before they are written, and the longest that they wait for that, in milliseconds. */
const BUFFER_BYTES = 256 << 10
const FLUSH_AFTER = 100

/** Bytes in front of each frame: its time and twice its length. */
const RECORD_HEADER_BYTES = 16

/** LINKTYPE_ETHERNET in tcpdump.org's list of link types. */
const ETHERNET = 1

/**
 * A file of frames in the classic pcap format (draft-ietf-opsawg-pcap), which Wireshark and tcpdump open, with
 * times in microseconds. It is written as the frames come, and can be read whatever becomes of this process.
 */
export class PcapFile {
  readonly #fd: number
  readonly #clock: Clock
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  #used = 0
  #size = 0
  #failure: Error | undefined
  #callOff: (() => void) | undefined

  /** @throws Node's error when the file cannot be made. One that is there already is replaced. */
  constructor(path: string, clock: Clock) {
    this.#clock = clock
    this.#fd = openSync(path, 'w')
    // Magic number, version 2.4, two fields of no use, longest frame, kind of frames.
    this.#put([0xa1b2_c3d4, 0x0004_0002, 0, 0, FRAME_MAX, ETHERNET])
    this.#flush()
  }

  /** Bytes of the file, with those that are not written yet. */
  get size(): number {
    return this.#size
  }

  /** Adds a frame that was seen just now. Nothing is added once writing has failed. */
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
   * Writes what is not written yet.
   *
   * @throws Node's error, when the file could not be written then or at any time before.
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
      this.#failure = error instanceof Error ? error : new Error(String(error))
    }
  }
}
