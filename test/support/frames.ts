import {
  encodeRequest,
  heapMemory,
  Reader,
  type Memory,
  type MessageName,
  type T,
  Writer,
} from '../../src/9p/index.ts'

const room = heapMemory(1 << 21)
const writer = new Writer(room)

/** The bytes of a request, as a client would send them. */
export function requestFrame<M extends MessageName>(tag: number, name: M, fields: T<M>): Buffer {
  writer.over(room, 0, room.bytes.length)
  encodeRequest(writer, tag, name, fields)
  return Buffer.from(room.bytes.subarray(0, writer.position))
}

/** A frame with any type and body, its size[4] filled in. */
export function rawFrame(type: number, tag: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const frame = Buffer.alloc(7 + body.length)
  frame.writeUInt32LE(frame.length, 0)
  frame.writeUInt8(type, 4)
  frame.writeUInt16LE(tag, 5)
  frame.set(body, 7)
  return frame
}

/** Memory that holds a copy of `bytes`. */
export function memoryOf(bytes: Uint8Array): Memory {
  const memory = heapMemory(bytes.length)
  memory.bytes.set(bytes)
  return memory
}

/** A reader over the fields of one whole frame. */
export function bodyReader(frame: Uint8Array): Reader {
  const memory = memoryOf(frame)
  return new Reader(memory).over(memory, 7, frame.length)
}

/** Bytes as they stand in a manual: hex digits with spaces anywhere. */
export function hex(...text: string[]): Buffer {
  return Buffer.from(text.join('').replaceAll(/\s/g, ''), 'hex')
}
