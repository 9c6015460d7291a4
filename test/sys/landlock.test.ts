import { describe, expect, it } from 'vitest'
import { access, handledBy } from '../../src/sys/landlock.ts'

describe('what a ruleset may forbid', () => {
  it.each([
    [0, 0, 0, 0],
    [1, 0x1fff, 0, 0],
    [2, 0x3fff, 0, 0],
    [3, 0x7fff, 0, 0],
    [4, 0x7fff, 3, 0],
    [5, 0xffff, 3, 0],
    [6, 0xffff, 3, 3],
    [7, 0xffff, 3, 3],
    [8, 0xffff, 3, 3],
    [9, 0x1ffff, 3, 3],
    // Rights of later kernels are used only once this code knows them.
    [99, 0x1ffff, 3, 3],
  ])('of a kernel with ABI %i', (abi, fs, net, scopes) => {
    expect(handledBy(abi)).toEqual({ fs, net, scopes })
  })

  it('has a bit for each right', () => {
    const bits = Object.values(access).reduce((all, bit) => all | bit, 0)
    expect(bits).toBe(handledBy(99).fs)
  })
})
