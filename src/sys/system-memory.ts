import { addressOf } from './ffi.ts'

/**
 * Memory that system calls may read and fill. The garbage collector frees it like any other ArrayBuffer, when nothing refers
 * to `bytes` or `view` any more; its bytes lie outside of V8's heap and never move.
 */
export interface SystemMemory {
  readonly bytes: Buffer
  readonly view: DataView
  readonly address: number
}

/** `size` bytes of memory, zeroed. */
export function systemMemory(size: number): SystemMemory {
  const buffer = new ArrayBuffer(size)
  return { bytes: Buffer.from(buffer), view: new DataView(buffer), address: addressOf(buffer) }
}

const STRING_ROOM = 8192
const strings = systemMemory(2 * STRING_ROOM)

/**
 * The address of `value` (a byte string, at most 8191 bytes) as a C string. It stays valid until
 * the next call with the same slot; a system call that takes two paths uses both.
 */
export function cString(value: string, slot: 0 | 1 = 0): number {
  const start = slot * STRING_ROOM
  const { bytes } = strings
  const length = value.length
  if (length >= STRING_ROOM) throw new RangeError('a path for libc has at most 8191 bytes')
  if (length < 24) {
    // For so few bytes a loop costs less than a call into the runtime.
    for (let i = 0; i < length; i++) bytes[start + i] = value.charCodeAt(i)
  } else {
    bytes.write(value, start, 'latin1')
  }
  bytes[start + length] = 0
  return strings.address + start
}

/** The address of an empty C string, for the calls that take AT_EMPTY_PATH. */
export function emptyString(): number {
  return empty.address
}

const empty = systemMemory(64)
