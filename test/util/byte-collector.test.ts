import { expect, it } from 'vitest'
import { ByteCollector } from '../../src/util/byte-collector.ts'

it('keeps pieces of any size, in their order', () => {
  const bytes = new ByteCollector(1000)
  for (const piece of ['a', '', 'bc', 'd'.repeat(100)]) {
    expect(bytes.add(Buffer.from(piece))).toBe(true)
  }
  expect(bytes.length).toBe(103)
  expect(bytes.from(0).toString()).toBe(`abc${'d'.repeat(100)}`)
  expect(bytes.from(1).toString().slice(0, 3)).toBe('bcd')
})

it('keeps as much as fits, and says that the rest did not', () => {
  const bytes = new ByteCollector(5)
  expect(bytes.add(Buffer.from('abc'))).toBe(true)
  expect(bytes.add(Buffer.from('defg'))).toBe(false)
  expect(bytes.add(Buffer.from('h'))).toBe(false)
  expect(bytes.add(Buffer.alloc(0))).toBe(true)
  expect(bytes.from(0).toString()).toBe('abcde')
})

it('does not change bytes that were given out', () => {
  const bytes = new ByteCollector(100)
  bytes.add(Buffer.from('ab'))
  const given = bytes.from(0)
  bytes.add(Buffer.from('cd'))
  expect(given.toString()).toBe('ab')
})
