/**
 * Bytes that frames are read from and written to.
 *
 * The same memory is seen three ways because each is the fast one for its user: numbers through the
 * DataView, names and bulk bytes through the Buffer, system calls through the address.
 */
export interface Memory {
  readonly bytes: Buffer
  readonly view: DataView
  /** Where `bytes[0]` lies in this process, or 0 for memory that no system call is made on. */
  readonly address: number
}

/** Memory of JavaScript's own, for users that make no system calls on it. */
export function heapMemory(size: number): Memory {
  const buffer = new ArrayBuffer(size)
  return { bytes: Buffer.from(buffer), view: new DataView(buffer), address: 0 }
}

/** A run of bulk bytes inside a {@link Memory}: what Tread asks to be filled and Twrite brings. */
export interface Payload {
  readonly memory: Memory
  readonly offset: number
  readonly length: number
}

/** The payload's bytes, without a copy. */
export function payloadBytes(payload: Payload): Buffer {
  return payload.memory.bytes.subarray(payload.offset, payload.offset + payload.length)
}
