import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeReply,
  decodeRequest,
  encodeError,
  encodeReply,
  encodeRequest,
  heapMemory,
  type Memory,
  type MessageName,
  messages,
  payloadBytes,
  Reader,
  requestOfType,
  Writer,
} from '../../../src/9p/index.ts'
import { fieldsOf, messageNames, tags } from '../../support/arbitraries.ts'
import { codeOf } from '../../support/errors.ts'
import { bodyReader, memoryOf, rawFrame } from '../../support/frames.ts'

const room = heapMemory(1 << 18)

function request(tag: number, name: MessageName, fields: never): Buffer {
  return written((to) => encodeRequest(to, tag, name, fields))
}

function reply(tag: number, name: MessageName, fields: never): Buffer {
  return written((to) => encodeReply(to, tag, name, fields))
}

function written(write: (to: Writer) => void): Buffer {
  const to = new Writer(room).over(room, 0, room.bytes.length)
  write(to)
  return Buffer.from(room.bytes.subarray(0, to.position))
}

function readRequest(frame: Buffer): unknown {
  const message = requestOfType(frame[4]!)!
  return decodeRequest(message, bodyReader(frame))
}

function readReply(name: MessageName, frame: Buffer): unknown {
  const answer = decodeReply(name, frame[4]!, bodyReader(frame))
  return answer.ok ? answer.fields : answer.ecode
}

/** Payloads are equal when their bytes are, wherever they lie. */
function plain(fields: unknown): unknown {
  return Object.fromEntries(
    Object.entries(fields as object).map(([name, value]) => [
      name,
      typeof value === 'object' && value !== null && 'memory' in value
        ? payloadBytes(value as { memory: Memory; offset: number; length: number }).toString('hex')
        : value,
    ]),
  )
}

describe.each(messageNames)('%s', (name) => {
  const { type } = messages[name]

  it('is read back as it was written, the request and the reply', () => {
    fc.assert(
      fc.property(tags, fieldsOf(name, 'T'), fieldsOf(name, 'R'), (tag, asked, answered) => {
        const sent = request(tag, name, asked)
        expect(sent.readUInt32LE(0)).toBe(sent.length)
        expect([sent[4], sent.readUInt16LE(5)]).toEqual([type, tag])
        expect(plain(readRequest(sent))).toEqual(plain(asked))

        const got = reply(tag, name, answered)
        expect(got.readUInt32LE(0)).toBe(got.length)
        expect([got[4], got.readUInt16LE(5)]).toEqual([type + 1, tag])
        expect(plain(readReply(name, got))).toEqual(plain(answered))
      }),
    )
  })

  it('is a protocol error when it ends at any byte before its last', () => {
    const cut = fc.property(fieldsOf(name, 'T'), fieldsOf(name, 'R'), (asked, answered) => {
      const sent = request(1, name, asked)
      for (let end = 7; end < sent.length; end++) {
        expect(codeOf(() => readRequest(sent.subarray(0, end)))).toBe('TRUNCATED')
      }
      const got = reply(1, name, answered)
      for (let end = 7; end < got.length; end++) {
        expect(codeOf(() => readReply(name, got.subarray(0, end)))).toBe('TRUNCATED')
      }
    })
    fc.assert(cut, { numRuns: 5 })
  })

  it('is a protocol error when bytes follow its last field', () => {
    const longer = fc.property(
      fieldsOf(name, 'T'),
      fieldsOf(name, 'R'),
      fc.uint8Array({ minLength: 1, maxLength: 9 }),
      (asked, answered, more) => {
        const sent = Buffer.concat([request(1, name, asked), more])
        expect(codeOf(() => readRequest(sent))).toBe('TRAILING_BYTES')
        const got = Buffer.concat([reply(1, name, answered), more])
        expect(codeOf(() => readReply(name, got))).toBe('TRAILING_BYTES')
      },
    )
    fc.assert(longer, { numRuns: 20 })
  })

  it('throws nothing but protocol errors, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
        codeOf(() => readRequest(rawFrame(type, 0, body)))
        codeOf(() => readReply(name, rawFrame(type + 1, 0, body)))
      }),
      { numRuns: 300 },
    )
  })

  it('throws nothing but protocol errors when one byte of a good frame is wrong', () => {
    const damaged = fc.property(fieldsOf(name, 'T'), fc.nat(), fc.nat(255), (asked, at, byte) => {
      const sent = request(1, name, asked)
      if (sent.length === 7) return
      sent[7 + (at % (sent.length - 7))] = byte
      codeOf(() => readRequest(sent))
    })
    fc.assert(damaged)
  })
})

describe('a request', () => {
  it('is unknown where the table has no row, and replies are no requests', () => {
    const known = new Set(Object.values(messages).map((row) => row.type))
    for (let type = 0; type < 256; type++) {
      expect(requestOfType(type) !== undefined, `type ${type}`).toBe(known.has(type as never))
    }
  })

  it('has no more than 16 names', () => {
    const names = Array.from({ length: 17 }, () => 'a')
    const frame = request(1, 'walk', { fid: 0, newfid: 1, names } as never)
    expect(codeOf(() => readRequest(frame))).toBe('LIST_TOO_LONG')
  })

  it('does not take memory for the names that a small frame announces', () => {
    const body = Buffer.from([0, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff])
    expect(codeOf(() => readRequest(rawFrame(110, 1, body)))).toBe('LIST_TOO_LONG')
  })

  it('has no string that is longer than its frame', () => {
    const body = Buffer.from([0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0xff, 0xff, 0x61])
    expect(codeOf(() => readRequest(rawFrame(110, 1, body)))).toBe('TRUNCATED')
  })

  it('has no data that is longer than its frame', () => {
    for (const count of [2, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
      const body = Buffer.alloc(17)
      body.writeUInt32LE(count, 12)
      expect(codeOf(() => readRequest(rawFrame(118, 1, body)))).toBe('TRUNCATED')
    }
  })

  it('may have an offset up to 2^53 - 1 and none above', () => {
    const body = Buffer.alloc(16)
    body.writeBigUInt64LE(2n ** 53n - 1n, 4)
    expect(readRequest(rawFrame(116, 1, body))).toMatchObject({ offset: Number.MAX_SAFE_INTEGER })
    for (const offset of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
      body.writeBigUInt64LE(offset, 4)
      expect(codeOf(() => readRequest(rawFrame(116, 1, body)))).toBe('NUMBER_TOO_LARGE')
    }
  })

  it('has a payload that is not copied', () => {
    const frame = request(1, 'write', {
      fid: 1,
      offset: 2,
      data: { memory: memoryOf(Buffer.from('bytes')), offset: 0, length: 5 },
    } as never)
    const memory = memoryOf(frame)
    const from = new Reader(memory).over(memory, 7, frame.length)
    const { data } = decodeRequest(requestOfType(118)! as never, from) as {
      data: { memory: Memory }
    }
    expect(data.memory).toBe(memory)
  })
})

describe('a reply', () => {
  it('may be an error, to any request', () => {
    const frame = written((to) => encodeError(to, 9, 2))
    expect(frame).toEqual(Buffer.from([11, 0, 0, 0, 7, 9, 0, 2, 0, 0, 0]))
    for (const name of messageNames) {
      expect(decodeReply(name, 7, bodyReader(frame))).toEqual({ ok: false, ecode: 2 })
    }
    expect(codeOf(() => decodeReply('clunk', 7, bodyReader(frame.subarray(0, 9))))).toBe(
      'TRUNCATED',
    )
  })

  it('of another type is a protocol error', () => {
    const frame = reply(1, 'clunk', {} as never)
    expect(codeOf(() => readReply('walk', frame))).toBe('UNEXPECTED_REPLY')
  })

  it('that does not fit is a failure of the writer, never a longer frame', () => {
    const small = heapMemory(64)
    small.bytes.fill(0xaa)
    const to = new Writer(small).over(small, 0, 32)
    const target = 'x'.repeat(40)
    expect(() => encodeReply(to, 1, 'readlink', { target })).toThrow(RangeError)
    expect(small.bytes.subarray(32).every((byte) => byte === 0xaa)).toBe(true)
  })

  it('has no string of 65536 bytes', () => {
    const to = new Writer(room).over(room, 0, room.bytes.length)
    const target = 'x'.repeat(0x1_0000)
    expect(() => encodeReply(to, 1, 'readlink', { target })).toThrow(RangeError)
  })

  it('whose payload lies in its place already is left where it is', () => {
    const to = new Writer(room).over(room, 100, 200)
    room.bytes.write('in place', 100 + 11)
    encodeReply(to, 1, 'read', { data: { memory: room, offset: 111, length: 8 } })
    expect(room.bytes.toString('latin1', 111, 119)).toBe('in place')
    expect(to.position).toBe(119)
  })
})
