import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type OutputPart, OutputRecord } from '../../src/record/output-record.ts'

function record(chunks: readonly Uint8Array[]): OutputPart[] {
  const parts: OutputPart[] = []
  const output = new OutputRecord((part) => parts.push(part))
  for (const chunk of chunks) {
    // As a stream may do, the memory is used again at once.
    const memory = Uint8Array.from(chunk)
    output.add(memory)
    memory.fill(0x21)
  }
  output.end()
  return parts
}

function bytesOf({ text, base64 }: OutputPart): Buffer {
  return text === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text)
}

function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length]
  let start = 0
  return ends
    .toSorted((a, b) => a - b)
    .map((end) => {
      const chunk = bytes.subarray(start, end)
      start = end
      return chunk
    })
}

const places = fc.array(fc.nat(), { maxLength: 20 })

it('keeps every byte of a short stream, wherever it is cut', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), places, (bytes, cuts) => {
      const parts = record(cutAt(bytes, cuts))
      expect(Buffer.concat(parts.map(bytesOf))).toEqual(Buffer.from(bytes))
    }),
  )
})

it('keeps text as text, wherever it is cut', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), places, (text, cuts) => {
      const parts = record(cutAt(Buffer.from(text), cuts))
      expect(parts.map((part) => part.text).join('')).toBe(text)
      expect(parts.every((part) => part.base64 === undefined)).toBe(true)
    }),
  )
})

it('says bytes that are no text in base64', () => {
  expect(record([Buffer.from([0xff, 0xfe]), Buffer.from('ok')])).toEqual([
    { base64: '//4=' },
    { text: 'ok' },
  ])
})

it('keeps the beginning and the end of a long stream, and says how much is left out', () => {
  const lines = Array.from({ length: 100_000 }, (_, i) => `line ${i}\n`)
  const whole = lines.join('')
  const parts = record(lines.map((line) => Buffer.from(line)))
  const kept = parts.map((part) => part.text).join('')
  const skipped = parts.reduce((sum, part) => sum + (part.skipped ?? 0), 0)
  expect(kept.length + skipped).toBe(whole.length)
  expect(kept.length).toBeLessThan(200_000)
  expect(parts.length).toBeLessThan(2000)
  expect(whole.startsWith(parts[0]!.text!)).toBe(true)
  expect(whole.endsWith(parts.at(-1)!.text!)).toBe(true)
})

it('cuts no character where something is left out', () => {
  for (let shift = 0; shift < 4; shift += 1) {
    const whole = 'x'.repeat(shift) + '😀'.repeat(100_000)
    const parts = record([Buffer.from(whole)])
    expect(parts.every((part) => part.text !== undefined)).toBe(true)
    const skipped = parts.reduce((sum, part) => sum + (part.skipped ?? 0), 0)
    const kept = parts.reduce((sum, part) => sum + bytesOf(part).length, 0)
    expect(kept + skipped).toBe(Buffer.byteLength(whole))
  }
})
