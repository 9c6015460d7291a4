/**
 * Bytes that frames are read from and written to.
 *
 * The same memory is seen three ways because each is the fast one for its user: numbers through the
 * DataView, names and bulk bytes through the Buffer, system calls through the address.
 */
export interface Memory {
  readonly bytes: Buffer
  readonly view: DataView
  /** The address of `bytes[0]` in this process; 0 for memory that no system call uses. */
  readonly address: number
}

/** Memory in JavaScript's heap. No system call can use it. */
export function heapMemory(size: number): Memory {
  const buffer = new ArrayBuffer(size)
  return { bytes: Buffer.from(buffer), view: new DataView(buffer), address: 0 }
}

/** `bytes` as memory that no system call can use. They are not copied. */
export function heldBytes({ buffer, byteOffset, length }: Uint8Array): Memory {
  const bytes = Buffer.from(buffer as ArrayBuffer, byteOffset, length)
  return { bytes, view: new DataView(buffer, byteOffset, length), address: 0 }
}

/** So many bytes are copied one after another: making a view of one side takes longer. */
const FEW_BYTES = 256

/** Copies `length` bytes at `at` of one memory to `into` of another. @throws RangeError for a place outside of them. */
export function copyBytes(
  from: Memory,
  at: number,
  to: Memory,
  into: number,
  length: number,
): void {
  if (length > FEW_BYTES) {
    to.bytes.set(from.bytes.subarray(at, at + length), into)
    return
  }
  const { view: source } = from
  const { view: target } = to
  let done = 0
  for (; done + 4 <= length; done += 4) {
    target.setUint32(into + done, source.getUint32(at + done, true), true)
  }
  for (; done < length; done++) target.setUint8(into + done, source.getUint8(at + done))
}

/** A place for bulk bytes. A read fills it, or a write takes its bytes. Nothing is copied on the way. */
export interface Payload {
  readonly memory: Memory
  readonly offset: number
  readonly length: number
  /**
   * Set if the bytes may lie in several places: it then says where. `memory` and `offset` are the place of
   * the first byte. They are the place of all bytes only if there is one piece.
   */
  readonly pieces?: Pieces | undefined
}

/** Bytes that lie in several places, in the form that preadv(2) takes. */
export interface Pieces {
  /** The address of `count` structs iovec. */
  readonly vector: number
  readonly count: number
  /** A copy of the first `length` bytes in one run, for code that makes no system call on them. */
  gather(length: number): Buffer
  /** Fills the places with `bytes`, from the first on. */
  scatter(bytes: Uint8Array): void
}

/** `length` bytes at `offset`, in one run. */
export function run(memory: Memory, offset: number, length: number): Payload {
  return { memory, offset, length }
}

/** The payload's bytes for reading: not copied if they lie in one run. */
export function payloadBytes({ memory, offset, length, pieces }: Payload): Buffer {
  return pieces?.gather(length) ?? memory.bytes.subarray(offset, offset + length)
}

/** Fills the payload with `bytes`, which have to fit. */
export function fillPayload({ memory, offset, pieces }: Payload, bytes: Uint8Array): void {
  if (pieces === undefined) memory.bytes.set(bytes, offset)
  else pieces.scatter(bytes)
}
