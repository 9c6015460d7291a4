import { describe, expect, it } from 'vitest'
import { mebibytes } from '../../src/util/size.ts'
import { messageSize } from '../../src/machine/plan.ts'

describe('a size', () => {
  it.each([
    [512, 512],
    ['512', 512],
    ['512M', 512],
    ['2GiB', 2048],
  ])('of memory or a disk, %j', (size, expected) => {
    expect(mebibytes(size, 'size')).toBe(expected)
  })

  it.each([0, -1, 1.5, '512K', '1T', '', 'lots'])('of neither is %j', (size) => {
    expect(() => mebibytes(size, 'upper.size')).toThrow(
      `upper.size: ${size} is no size. Say a number of MiB, 512M or 2G.`,
    )
  })

  it.each([
    [undefined, null],
    [65_536, 65_536],
    ['65536', 65_536],
    ['64K', 65_536],
    ['64kB', 65_536],
    ['1M', 1 << 20],
  ])('of the largest message, %j', (msize, expected) => {
    expect(messageSize(msize === undefined ? {} : { msize })).toBe(expected)
  })

  it.each([-1, 0.5, '1G', '', 'K'])('of no message is %j', (msize) => {
    expect(() => messageSize({ msize })).toThrow(
      `msize: ${msize} is no size. Say a number of bytes, 64K or 1M.`,
    )
  })
})
