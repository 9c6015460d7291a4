import { describe, expect, it } from 'vitest'
import { OptionError } from '../../src/machine/failure.ts'
import { checkMsize } from '../../src/machine/transport.ts'

describe('the largest message', () => {
  it.each([
    ['tcp', 4096],
    ['tcp', 1 << 20],
    ['9p', 4096],
    ['9p', 512_000],
    ['9p', null],
  ] as const)('over %s may have %j bytes', (transport, msize) => {
    expect(checkMsize(msize, transport)).toBe(msize)
  })

  it.each([
    ['tcp', 4095, 'over tcp Linux takes 4096 to 1048576.'],
    ['tcp', (1 << 20) + 1, 'over tcp Linux takes 4096 to 1048576.'],
    ['9p', 4095, 'over 9p Linux takes 4096 to 512000, over tcp up to 1048576.'],
    ['9p', 512_001, 'over 9p Linux takes 4096 to 512000, over tcp up to 1048576.'],
  ] as const)('over %s cannot have %i bytes', (transport, msize, words) => {
    expect(() => checkMsize(msize, transport)).toThrow(
      new OptionError(`The largest message (msize) cannot have ${msize} bytes: ${words}`),
    )
  })
})
