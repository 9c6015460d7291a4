/**
 * What the codecs of all wire protocols are made of.
 *
 * Cursors read and write little-endian fields; struct.ts compiles the codec of a list of fields.
 */

import { ProtocolError } from './protocol-error.ts'
import type { Memory, Pieces } from '../sys/memory.ts'

const TWO_32 = 0x1_0000_0000

/**
 * Reads little-endian fields from one frame. Only here incoming lengths are checked: whatever a Reader
 * returns lies inside the frame.
 *
 * A connection has one Reader and moves it with {@link Reader.over}, since making a DataView costs more than
 * decoding a message.
 */
export class Reader {
  memory: Memory
  position = 0
  end = 0
  /**
   * The bytes of a Twrite's payload where they do not follow the header in `memory`. They count as a part of
   * the frame. Only a field of kind `data` uses them.
   */
  tail: Pieces | undefined

  constructor(memory: Memory) {
    this.memory = memory
  }

  over(memory: Memory, start: number, end: number, tail?: Pieces): this {
    this.memory = memory
    this.position = start
    this.end = end
    this.tail = tail
    return this
  }

  /** Moves past `count` bytes and returns where they began. */
  take(count: number): number {
    const start = this.position
    if (count > this.end - start) {
      throw new ProtocolError(
        'TRUNCATED',
        `the frame ends ${count - (this.end - start)} bytes too early`,
      )
    }
    this.position = start + count
    return start
  }

  u8(): number {
    return this.memory.view.getUint8(this.take(1))
  }

  u16(): number {
    return this.memory.view.getUint16(this.take(2), true)
  }

  u32(): number {
    return this.memory.view.getUint32(this.take(4), true)
  }

  u64(): bigint {
    return this.memory.view.getBigUint64(this.take(8), true)
  }

  /** A u64 that has to be exact: offsets and sizes, below 2^53. */
  size(): number {
    const at = this.take(8)
    const high = this.memory.view.getUint32(at + 4, true)
    if (high > 0x1f_ffff) {
      throw new ProtocolError('NUMBER_TOO_LARGE', 'a size or an offset is 2^53 or more')
    }
    return high * TWO_32 + this.memory.view.getUint32(at, true)
  }

  /** A u64 that holds a signed number of seconds; times before 1970 are negative. */
  seconds(): number {
    const at = this.take(8)
    return this.memory.view.getInt32(at + 4, true) * TWO_32 + this.memory.view.getUint32(at, true)
  }

  /** A u64 bit set. Only its low 32 bits have a meaning. */
  mask(): number {
    return this.memory.view.getUint32(this.take(8), true)
  }

  /** A string[s] as a byte string: one character for each byte (see text.ts). */
  string(): string {
    const length = this.u16()
    const start = this.take(length)
    return this.memory.bytes.toString('latin1', start, start + length)
  }

  /** Checks that the whole frame was read. */
  finish(): void {
    if (this.position !== this.end) {
      throw new ProtocolError(
        'TRAILING_BYTES',
        `${this.end - this.position} bytes follow the last field`,
      )
    }
  }
}

/** Writes a u64 below 2^53. Not with `%`, for which V8 calls a function of C. */
export function putSize(view: DataView, at: number, value: number): void {
  const high = Math.floor(value / TWO_32)
  view.setUint32(at, value - high * TWO_32, true)
  view.setUint32(at + 4, high, true)
}

/** The room for a message is too small. */
export class NoRoomError extends RangeError {
  override readonly name = 'NoRoomError'
}

/** Writes little-endian fields into memory up to `end`. Beyond it, {@link NoRoomError} is thrown. */
export class Writer {
  memory: Memory
  position = 0
  end = 0

  constructor(memory: Memory) {
    this.memory = memory
  }

  over(memory: Memory, start: number, end: number): this {
    this.memory = memory
    this.position = start
    this.end = end
    return this
  }

  /** Moves past `count` bytes that the caller will write, and returns where they begin. */
  take(count: number): number {
    const start = this.position
    if (count > this.end - start) throw new NoRoomError('the message does not fit into its frame')
    this.position = start + count
    return start
  }

  u8(value: number): void {
    this.memory.view.setUint8(this.take(1), value)
  }

  u16(value: number): void {
    this.memory.view.setUint16(this.take(2), value, true)
  }

  u32(value: number): void {
    this.memory.view.setUint32(this.take(4), value, true)
  }

  u64(value: bigint): void {
    this.memory.view.setBigUint64(this.take(8), value, true)
  }

  size(value: number): void {
    putSize(this.memory.view, this.take(8), value)
  }

  seconds(value: number): void {
    const at = this.take(8)
    const high = Math.floor(value / TWO_32)
    this.memory.view.setUint32(at, value - high * TWO_32, true)
    this.memory.view.setInt32(at + 4, high, true)
  }

  mask(value: number): void {
    const at = this.take(8)
    this.memory.view.setUint32(at, value, true)
    this.memory.view.setUint32(at + 4, 0, true)
  }

  string(value: string): void {
    if (value.length > 0xffff) throw new RangeError('a string on the wire has at most 65535 bytes')
    this.u16(value.length)
    const start = this.take(value.length)
    this.memory.bytes.write(value, start, 'latin1')
  }
}
