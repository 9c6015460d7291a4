import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { close, openat, pread, pwrite } from '../../src/sys/files.ts'
import { cString, systemMemory } from '../../src/sys/system-memory.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

const O_RDWR_CREAT = 0o102

describe('memory for system calls', () => {
  it('is zeroed, and seen alike by bytes, view and system calls', () => {
    const memory = systemMemory(64)
    expect(memory.bytes).toEqual(Buffer.alloc(64))
    memory.view.setUint32(8, 0x01020304, true)
    expect([...memory.bytes.subarray(8, 12)]).toEqual([4, 3, 2, 1])

    const fd = openat(-100, `${temporaryDirectory()}/f`, O_RDWR_CREAT, 0o600)
    memory.bytes.write('seen by the kernel', 16)
    expect(pwrite(fd, memory.address + 16, 18, 0)).toBe(18)
    const other = systemMemory(64)
    expect(pread(fd, other.address + 3, 18, 0)).toBe(18)
    expect(other.bytes.toString('latin1', 3, 21)).toBe('seen by the kernel')
    expect(other.bytes[2]).toBe(0)
    expect(other.bytes[21]).toBe(0)
    close(fd)
  })

  it('stays where it is while garbage is collected', () => {
    const memories = Array.from({ length: 200 }, (_, i) => {
      const memory = systemMemory(4096)
      memory.bytes.fill(i)
      return memory
    })
    const garbage: unknown[] = []
    for (let i = 0; i < 2000; i++) garbage.push(new ArrayBuffer(10_000))
    expect(garbage.length).toBe(2000)
    const fd = openat(-100, `${temporaryDirectory()}/f`, O_RDWR_CREAT, 0o600)
    for (const [i, { address, bytes }] of memories.entries()) {
      pwrite(fd, address, 4096, 0)
      bytes.fill(0)
      pread(fd, address, 4096, 0)
      expect(bytes.every((byte) => byte === i % 256)).toBe(true)
    }
    close(fd)
  })

  it('that is not ours is refused by the kernel', () => {
    const fd = openat(-100, `${temporaryDirectory()}/f`, O_RDWR_CREAT, 0o600)
    expect(() => pwrite(fd, 16, 1, 0)).toThrow(expect.objectContaining({ errno: 14 }))
    close(fd)
  })
})

describe('C strings', () => {
  let fd: number

  beforeEach(() => {
    // Opened before: its own path passes through the same memory.
    fd = openat(-100, `${temporaryDirectory()}/f`, O_RDWR_CREAT, 0o600)
    afterwards(() => close(fd))
  })

  /** What lies at an address, as the kernel sees it: written into a file and read back. */
  function readString(address: number): string {
    const memory = systemMemory(8192)
    pwrite(fd, address, 8192, 0)
    pread(fd, memory.address, 8192, 0)
    return memory.bytes.toString('latin1', 0, memory.bytes.indexOf(0))
  }

  it.each([0, 1, 23, 24, 25, 300, 4095, 8191])('of %i bytes arrive whole', (length) => {
    // Longer ones first: what is left of them must not show.
    cString('z'.repeat(8191))
    const text = Array.from({ length }, (_, i) => String.fromCharCode(1 + (i % 255))).join('')
    expect(readString(cString(text))).toBe(text)
  })

  it('are at most 8191 bytes long', () => {
    expect(() => cString('x'.repeat(8192))).toThrow(RangeError)
  })

  it('come two at a time', () => {
    const first = cString('first', 0)
    const second = cString('second', 1)
    expect([readString(first), readString(second)]).toEqual(['first', 'second'])
  })
})

describe('a failed call', () => {
  it('throws what the system call is called and how it failed', () => {
    expect(() => openat(-100, '/missing/file', 0)).toThrow(
      expect.objectContaining({ errno: errno.ENOENT, operation: 'openat' }),
    )
  })
})
