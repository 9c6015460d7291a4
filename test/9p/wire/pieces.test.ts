import { describe, expect, it } from 'vitest'
import {
  decodeRequest,
  encodeReply,
  heapMemory,
  payloadBytes,
  type Pieces,
  Reader,
  requestOfType,
  run,
  Writer,
} from '../../../src/9p/index.ts'
import { encodePayloadReply } from '../../../src/9p/wire/codec.ts'
import { fillPayload } from '../../../src/sys/memory.ts'
import { codeOf } from '../../support/errors.ts'
import { memoryOf, requestFrame } from '../../support/frames.ts'

/** Bytes in places of two each, for which no system call is made. */
function inPieces(bytes: Buffer): Pieces & { readonly places: readonly Buffer[] } {
  const places: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 2) places.push(Buffer.from(bytes.subarray(at, at + 2)))
  return {
    places,
    vector: 0,
    count: places.length,
    gather: (length) => Buffer.concat(places).subarray(0, length),
    scatter(source) {
      let done = 0
      for (const place of places) done += Buffer.from(source).copy(place, 0, done)
    },
  }
}

const text = Buffer.from('in several places')
const write = requestFrame(5, 'write', {
  fid: 1,
  offset: 7,
  data: run(memoryOf(text), 0, text.length),
})
/** Up to its payload. */
const header = write.subarray(0, 23)

/** A Twrite whose header says what `frame` says, and whose payload is elsewhere. */
function decoded(frame: Buffer, size: number, tail: Pieces): unknown {
  const memory = memoryOf(frame)
  const from = new Reader(memory).over(memory, 7, size, tail)
  return decodeRequest(requestOfType(frame[4]!)!, from)
}

describe('a request whose payload lies apart from it', () => {
  it('is as if it did not', () => {
    const pieces = inPieces(text)
    const { data, ...fields } = decoded(header, write.length, pieces) as {
      data: Parameters<typeof payloadBytes>[0]
    }
    expect(fields).toEqual({ fid: 1, offset: 7 })
    expect([data.length, data.pieces]).toEqual([text.length, pieces])
    expect(payloadBytes(data)).toEqual(text)
  })

  it('is held to its size all the same', () => {
    const pieces = inPieces(text)
    expect(codeOf(() => decoded(header, write.length - 1, pieces))).toBe('TRUNCATED')
    expect(codeOf(() => decoded(header, write.length + 1, pieces))).toBe('TRAILING_BYTES')
  })

  it('leaves nothing for the next one', () => {
    const memory = memoryOf(write)
    const reader = new Reader(memory).over(memory, 7, write.length, inPieces(text))
    reader.over(memory, 7, write.length)
    const { data } = decodeRequest(requestOfType(118)!, reader) as never as {
      data: Parameters<typeof payloadBytes>[0]
    }
    expect(data.pieces).toBeUndefined()
    expect(payloadBytes(data)).toEqual(text)
  })
})

describe('a reply whose payload is put where it leaves from', () => {
  it('has a head of its own, which counts the payload', () => {
    const memory = heapMemory(100)
    memory.bytes.fill(0xee)
    const to = new Writer(memory).over(memory, 10, 100)
    encodePayloadReply(to, 9, 'read', text.length)
    expect(to.position).toBe(10 + 11)
    expect(memory.bytes.subarray(10, 21)).toEqual(
      Buffer.from([11 + text.length, 0, 0, 0, 117, 9, 0, text.length, 0, 0, 0]),
    )
    expect(memory.bytes.subarray(21).every((byte) => byte === 0xee)).toBe(true)
  })

  it('has the same bytes as one that is encoded as a whole', () => {
    const whole = heapMemory(100)
    const all = new Writer(whole).over(whole, 0, 100)
    encodeReply(all, 9, 'readdir', { data: { ...run(whole, 0, 17), pieces: inPieces(text) } })
    const parts = heapMemory(100)
    const head = new Writer(parts).over(parts, 0, 100)
    encodePayloadReply(head, 9, 'readdir', text.length)
    parts.bytes.set(text, head.position)
    expect(parts.bytes).toEqual(whole.bytes)
  })

  it('has no more than there is room for', () => {
    const memory = heapMemory(100)
    const to = new Writer(memory).over(memory, 0, 10)
    expect(() => encodePayloadReply(to, 9, 'read', 0)).toThrow(RangeError)
  })
})

describe('a payload', () => {
  it('in pieces is filled and read like one in a run', () => {
    const memory = heapMemory(30)
    const pieces = inPieces(Buffer.alloc(text.length, '-'))
    for (const payload of [
      run(memory, 9, text.length),
      { ...run(memory, 0, text.length), pieces },
    ]) {
      fillPayload(payload, Buffer.from('short'))
      expect(payloadBytes(payload).toString('latin1', 0, 5)).toBe('short')
      expect(payloadBytes({ ...payload, length: 4 }).toString()).toBe('shor')
    }
    expect(memory.bytes.toString('latin1', 9, 14)).toBe('short')
    expect(pieces.places[2]!.toString()).toBe('t-')
  })
})
