import { describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { encodeDevice } from '../../src/sys/files.ts'

describe('a device number', () => {
  it.each([
    [0, 0, 0],
    [5, 1, 0x501],
    [0xfff, 0, 0xfff00],
    [0, 0xff, 0xff],
    [0, 0x100, 0x100000],
    [0xfff, 0xfffff, 0xffffffff],
  ])('of major %i and minor %i is as the kernel has it', (major, minor, encoded) => {
    expect(encodeDevice(major, minor)).toBe(encoded)
  })

  it.each([
    [0x1000, 0],
    [0, 0x100000],
    [0xffffffff, 0xffffffff],
  ])('of major %i and minor %i is EINVAL', (major, minor) => {
    const refused = expect.objectContaining({ errno: errno.EINVAL })
    expect(() => encodeDevice(major, minor)).toThrow(refused)
  })
})
