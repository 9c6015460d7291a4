import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EndingScanner, endingWord } from '../../../src/machine/control/ending.ts'

/** What a scanner makes of pieces: the output until the end was seen, and the end. */
function scan(word: string, pieces: readonly Uint8Array[]): { output: Buffer; ending: unknown } {
  const scanner = new EndingScanner(word)
  const output: Buffer[] = []
  for (const piece of pieces) {
    const scanned = scanner.scan(piece)
    output.push(Buffer.from(scanned.output))
    if (scanned.ending !== undefined)
      return { output: Buffer.concat(output), ending: scanned.ending }
  }
  return { output: Buffer.concat(output), ending: undefined }
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [
    0,
    ...at.map((n) => n % (bytes.length + 1)).toSorted((a, b) => a - b),
    bytes.length,
  ]
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end))
}

const word = endingWord()
const cuts = fc.array(fc.nat(), { maxLength: 12 })
/** Bytes among which the beginnings of the word are frequent. */
const output = fc
  .array(
    fc.oneof(
      fc.uint8Array(),
      fc.nat(word.length).map((n) => Buffer.from(word.slice(0, n))),
    ),
  )
  .map((parts) => Buffer.concat(parts))
  .filter((bytes) => !bytes.includes(word))

describe('the end of a command', () => {
  it('is found wherever the stream is cut, and nothing of the output is lost', () => {
    fc.assert(
      fc.property(output, cuts, fc.nat(255), fc.boolean(), (bytes, at, status, left) => {
        const whole = Buffer.concat([bytes, Buffer.from(`${word} ${status} ${left ? 17 : ''}\n`)])
        expect(scan(word, cut(whole, at))).toEqual({ output: bytes, ending: { status, left } })
      }),
    )
  })

  it('is not seen in other output; only bytes that may be its beginning are held back', () => {
    fc.assert(
      fc.property(output, cuts, (bytes, at) => {
        const seen = scan(word, cut(bytes, at))
        expect(seen.ending).toBeUndefined()
        expect(bytes.subarray(0, seen.output.length)).toEqual(seen.output)
        const held = bytes.subarray(seen.output.length)
        expect(Buffer.from(word).subarray(0, held.length)).toEqual(held)
      }),
    )
  })

  it('is not accepted without a status', () => {
    const broken = Buffer.from(`${word} nonsense\n`)
    expect(scan(word, [broken])).toEqual({ output: broken, ending: undefined })
  })
})

it('has another word each time, which begins as hardly any output ends', () => {
  expect(endingWord()).not.toBe(endingWord())
  expect(endingWord().codePointAt(0)).toBe(0x1e)
  expect(endingWord().slice(1)).toMatch(/^[0-9a-f]{32}$/)
})
