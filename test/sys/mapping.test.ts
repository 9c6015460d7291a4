import { openSync } from 'node:fs'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { discard, pread, pwrite } from '../../src/sys/files.ts'
import { Mapping, WINDOW_BYTES } from '../../src/sys/mapping.ts'
import { createMemfd } from '../../src/sys/memfd.ts'
import { systemMemory } from '../../src/sys/system-memory.ts'
import { IoVector, preadv, pwritev } from '../../src/sys/vectors.ts'
import { memfdMappings, openDescriptors } from '../support/descriptors.ts'
import { errnoOf } from '../support/errors.ts'
import { afterwards } from '../support/temporary.ts'

const PAGE = 4096
let fd: number

beforeEach(() => {
  fd = createMemfd(8 * PAGE)
  afterwards(() => discard(fd))
})

function mapped(offset: number, size: number, file = fd, block = 1): Mapping {
  const mapping = new Mapping(file, offset, size, block)
  afterwards(() => mapping.close())
  return mapping
}

describe('a file in memory', () => {
  it('is as large as it was made, and nothing but zeroes', () => {
    const memory = systemMemory(8 * PAGE)
    memory.bytes.fill(1)
    expect(pread(fd, memory.address, 9 * PAGE - 1, 0)).toBe(8 * PAGE)
    expect(memory.bytes.every((byte) => byte === 0)).toBe(true)
  })

  it('of an impossible size leaves nothing behind', () => {
    const before = openDescriptors()
    expect(errnoOf(() => createMemfd(-1))).toBe(errno.EINVAL)
    expect(openDescriptors()).toBe(before)
  })
})

describe('a mapping', () => {
  it('shows the file from its offset on, and changes it', () => {
    const [first, ...more] = mapped(2 * PAGE, 3 * PAGE).windows
    expect([first!.bytes.length, first!.view.byteLength, more]).toEqual([3 * PAGE, 3 * PAGE, []])
    const memory = systemMemory(16)
    memory.bytes.write('from the file')
    pwrite(fd, memory.address, 13, 2 * PAGE + 5)
    expect(first!.bytes.toString('latin1', 5, 18)).toBe('from the file')
    first!.bytes.write('from the mapping', 3 * PAGE - 16)
    pread(fd, memory.address, 16, 5 * PAGE - 16)
    expect(memory.bytes.toString('latin1')).toBe('from the mapping')
  })

  it('has an address that system calls accept, and shares its bytes with another mapping', () => {
    const [one] = mapped(0, 8 * PAGE).windows
    const [two] = mapped(PAGE, PAGE).windows
    const from = systemMemory(8)
    from.bytes.write('exactly!')
    const other = createMemfd(PAGE)
    pwrite(other, from.address, 8, 0)
    expect(pread(other, one!.address + PAGE + 3, 8, 0)).toBe(8)
    expect(two!.bytes.toString('latin1', 3, 11)).toBe('exactly!')
    discard(other)
  })

  it('is in pieces where it is large, which overlap', () => {
    const large = createMemfd(2 * WINDOW_BYTES + 8 * PAGE)
    const { windows, address } = mapped(0, 2 * WINDOW_BYTES + 8 * PAGE, large)
    discard(large)
    expect(windows.map((window) => window.address - address)).toEqual([
      0,
      WINDOW_BYTES,
      2 * WINDOW_BYTES,
    ])
    for (const [i, window] of windows.entries()) window.bytes[0] = 10 + i
    for (const [i, window] of windows.slice(0, 2).entries()) {
      expect(window.bytes.length).toBeGreaterThan(WINDOW_BYTES)
      expect(window.view.getUint8(WINDOW_BYTES)).toBe(11 + i)
    }
    expect(windows[2]!.bytes.length).toBe(8 * PAGE)
  })

  it('of a file with larger blocks has the bytes that were asked for, and leaves nothing behind', () => {
    const memory = systemMemory(16)
    memory.bytes.write('begins or ends a')
    pwrite(fd, memory.address, 6, 3 * PAGE)
    pwrite(fd, memory.address + 10, 6, 5 * PAGE - 6)
    const mappings = memfdMappings()
    const mapping = new Mapping(fd, 3 * PAGE, 2 * PAGE, 4 * PAGE)
    const [window, ...more] = mapping.windows
    expect([window!.address, window!.bytes.length, more]).toEqual([mapping.address, 2 * PAGE, []])
    expect(window!.bytes.toString('latin1', 0, 6)).toBe('begins')
    expect(window!.bytes.toString('latin1', 2 * PAGE - 6)).toBe('ends a')
    expect(memfdMappings()).toBe(mappings + 1)
    mapping.close()
    expect(memfdMappings()).toBe(mappings)
  })

  it('cannot be made of no bytes, of an offset within a page, or of a read-only file', () => {
    expect(errnoOf(() => new Mapping(fd, 0, 0))).toBe(errno.EINVAL)
    expect(errnoOf(() => new Mapping(fd, 100, PAGE))).toBe(errno.EINVAL)
    const readOnly = openSync(`/proc/self/fd/${fd}`, 'r')
    expect(errnoOf(() => new Mapping(readOnly, 0, PAGE))).toBe(errno.EACCES)
    discard(readOnly)
  })
})

describe('a vector', () => {
  it('of more entries than it had room for reads and writes each', () => {
    const memory = systemMemory(1000)
    const vector = new IoVector(2)
    for (let i = 0; i < 100; i++) vector.add(memory.address + 10 * (99 - i), 3)
    expect(vector.count).toBe(100)
    for (let i = 0; i < 1000; i++) memory.bytes[i] = i % 251
    expect(pwritev(fd, vector.address, vector.count, 7)).toBe(300)
    const written = Buffer.from(memory.bytes)
    memory.bytes.fill(0)
    expect(preadv(fd, vector.address, vector.count, 7)).toBe(300)
    for (let i = 0; i < 1000; i++) expect(memory.bytes[i]).toBe(i % 10 < 3 ? written[i] : 0)
  })

  it('may be empty, and begins anew', () => {
    const memory = systemMemory(100)
    const vector = new IoVector(1)
    expect(preadv(fd, vector.address, 0, 0)).toBe(0)
    vector.add(memory.address, 100)
    vector.count = 0
    vector.add(memory.address + 50, 1)
    memory.bytes.fill(1)
    expect(preadv(fd, vector.address, vector.count, 0)).toBe(1)
    expect([memory.bytes[49], memory.bytes[50], memory.bytes[51]]).toEqual([1, 0, 1])
  })

  it('takes addresses of all of user space', () => {
    const mapping = mapped(0, PAGE)
    expect(mapping.address).toBeGreaterThan(2 ** 32)
    const vector = new IoVector(1)
    vector.add(mapping.address, 8)
    mapping.windows[0]!.bytes.write('far away')
    const other = createMemfd(PAGE)
    expect(pwritev(other, vector.address, 1, 0)).toBe(8)
    const memory = systemMemory(8)
    pread(other, memory.address, 8, 0)
    expect(memory.bytes.toString('latin1')).toBe('far away')
    discard(other)
  })
})
