import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromText, toText } from '../../src/9p/index.ts'

describe('byte strings', () => {
  it('hold the UTF-8 bytes of a text, and give the text back', () => {
    expect(fromText('é€😀')).toBe('\u00c3\u00a9\u00e2\u0082\u00ac\u00f0\u009f\u0098\u0080')
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => toText(fromText(text)) === text),
    )
  })

  it('show bytes that are no UTF-8 as a replacement character', () => {
    expect(toText('a\u00ffb')).toBe('a\ufffdb')
  })
})
