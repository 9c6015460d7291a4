import fc from 'fast-check'
import { expect, it } from 'vitest'
import { FRAME_MAX } from '../../src/network/ethernet.ts'
import { FrameReader, FramingError } from '../../src/network/frame-reader.ts'
import { lengthOf } from '../support/fake-card.ts'

/** The frames that come out of a stream which is cut at these places. */
function read(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const reader = new FrameReader()
  const frames: Buffer[] = []
  const ends = [...cuts.map((cut) => cut % (stream.length + 1)), stream.length]
  let start = 0
  for (const end of ends.toSorted((a, b) => a - b)) {
    // In memory that is used again, as a socket's may be.
    const chunk = Buffer.from(stream.subarray(start, end))
    reader.receive(chunk, (frame) => frames.push(Buffer.from(frame)))
    chunk.fill(0xee)
    start = end
  }
  return frames
}

const frames = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .constantFrom(0, 1, 1514, FRAME_MAX - 1, FRAME_MAX)
      .map((length) => new Uint8Array(length).fill(7)),
  ),
  { maxLength: 8 },
)

function streamOf(list: readonly Uint8Array[]): Buffer {
  return Buffer.concat(list.flatMap((frame) => [lengthOf(frame), frame]))
}

it('finds the frames of a stream, wherever it is cut', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(), { maxLength: 40 }), (list, cuts) => {
      const found = read(streamOf(list), cuts)
      expect(found.length).toBe(list.length)
      expect(found.every((frame, i) => frame.equals(list[i]!))).toBe(true)
    }),
  )
})

it('finds them byte by byte', () => {
  const list = [Buffer.from('first'), Buffer.alloc(0), Buffer.from('third')]
  const stream = streamOf(list)
  expect(read(stream, [...stream.keys()])).toEqual(list)
})

it('gives up at a length that QEMU never sends, after the frames in front of it', () => {
  const stream = Buffer.concat([
    streamOf([Buffer.from('good')]),
    lengthOf({ length: FRAME_MAX + 1 }),
  ])
  for (let cut = 0; cut <= stream.length; cut++) {
    const reader = new FrameReader()
    const found: string[] = []
    const receive = (chunk: Buffer): void =>
      reader.receive(chunk, (frame) => found.push(String(frame)))
    expect(() => {
      receive(stream.subarray(0, cut))
      receive(stream.subarray(cut))
    }).toThrow(new FramingError('it announced a frame of 69633 bytes, and 69632 is the limit'))
    expect(found).toEqual(['good'])
  }
})
