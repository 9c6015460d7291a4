import fc from 'fast-check'
import { expect, it } from 'vitest'
import { KeptText } from '../../src/machine/kept-text.ts'

it('has every place that is kept, wherever text is cut', () => {
  const numbers = Array.from({ length: 30_000 }, (_, i) => `${i} `).join('')
  const lengths = fc.array(fc.nat(100_000), { maxLength: 6 })
  fc.assert(
    fc.property(lengths, fc.nat(300_000), (sizes, place) => {
      const kept = new KeptText(1 << 20)
      const parts = sizes.map((size) => numbers.slice(0, size))
      for (const part of parts) kept.add(part)
      const whole = parts.join('')
      expect(kept.end).toBe(whole.length)
      expect(kept.from(0)).toBe(whole)
      expect(kept.from(place)).toBe(whole.slice(place))
    }),
  )
})

it('keeps the newest part of what is long, and a place stays what it is', () => {
  const kept = new KeptText(200_000)
  const parts = Array.from({ length: 100_000 }, (_, i) => `${i} `)
  for (const part of parts) kept.add(part)
  const whole = parts.join('')
  expect(whole.endsWith(kept.from(0))).toBe(true)
  expect(kept.from(0).length).toBeGreaterThanOrEqual(200_000)
  expect(kept.from(0).length).toBeLessThan(200_000 + 2 * 65_536 + 10)
  expect(kept.from(kept.end - 1000)).toBe(whole.slice(-1000))
  expect(kept.from(kept.end)).toBe('')
})
