import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { frameSize, frameTag, frameType, heapMemory } from '../../../src/9p/index.ts'
import { codeOf } from '../../support/errors.ts'

const memory = heapMemory(64)

function sizeOf(size: number, arrived: number, msize = 32): number | string {
  memory.view.setUint32(8, size, true)
  let found = 0
  const code = codeOf(() => (found = frameSize(memory, 8, 8 + arrived, msize)))
  return code ?? found
}

describe('a frame in a stream', () => {
  it.each([0, 1, 2, 3, 4, 5, 6])('of size[4] %i is a protocol error', (size) => {
    expect(sizeOf(size, 32)).toBe('FRAME_TOO_SMALL')
    expect(sizeOf(size, 4)).toBe('FRAME_TOO_SMALL')
  })

  it.each([33, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff])('of size[4] %i is too large', (size) => {
    expect(sizeOf(size, 4)).toBe('FRAME_TOO_LARGE')
    expect(sizeOf(size, 32)).toBe('FRAME_TOO_LARGE')
  })

  it('may be as large as msize and as small as its header', () => {
    expect(sizeOf(32, 32)).toBe(32)
    expect(sizeOf(7, 32)).toBe(7)
  })

  it('is waited for until its last byte is there', () => {
    for (let arrived = 0; arrived < 20; arrived++) expect(sizeOf(20, arrived)).toBe(0)
    for (let arrived = 20; arrived < 32; arrived++) expect(sizeOf(20, arrived)).toBe(20)
  })

  it('never has a size that was not looked at whole', () => {
    for (let arrived = 0; arrived < 4; arrived++) expect(sizeOf(0xffff_ffff, arrived)).toBe(0)
  })

  it('is whole, too small, too large or not there yet', () => {
    fc.assert(
      fc.property(
        fc.nat(0xffff_ffff),
        fc.nat(40),
        fc.integer({ min: 7, max: 40 }),
        (size, arrived, msize) => {
          const expected =
            arrived < 4
              ? 0
              : size < 7
                ? 'FRAME_TOO_SMALL'
                : size > msize
                  ? 'FRAME_TOO_LARGE'
                  : size <= arrived
                    ? size
                    : 0
          expect(sizeOf(size, arrived, msize)).toBe(expected)
        },
      ),
    )
  })

  it('has its type and tag behind its size', () => {
    memory.bytes.set([7, 0, 0, 0, 0xfe, 0x34, 0x12], 3)
    expect([frameType(memory, 3), frameTag(memory, 3)]).toEqual([0xfe, 0x1234])
  })
})
