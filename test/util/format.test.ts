import { expect, it } from 'vitest'
import { age, size } from '../../src/util/format.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [12 * 1024, '12 KiB'],
  [2 ** 20 - 1, '1.0 MiB'],
  [115.4 * 2 ** 20, '115 MiB'],
  [1024 * 2 ** 20, '1.0 GiB'],
  [9.99 * 2 ** 30, '10 GiB'],
  [2000 * 2 ** 30, '2000 GiB'],
])('%d bytes are %s', (bytes, text) => expect(size(bytes)).toBe(text))

it.each([
  [-1000, 'just now'],
  [MINUTE - 1, 'just now'],
  [MINUTE, '1 min ago'],
  [HOUR - 1, '59 min ago'],
  [HOUR, '1 h ago'],
  [48 * HOUR - 1, '47 h ago'],
  [14 * 24 * HOUR, '14 days ago'],
])('%d ms were %s', (milliseconds, text) => expect(age(milliseconds)).toBe(text))
