import { openSync, readFileSync } from 'node:fs'
import { beforeEach, describe, expect, it } from 'vitest'
import { discard, pread, pwrite } from '../../../src/sys/files.ts'
import { Mapping } from '../../../src/sys/mapping.ts'
import { createMemfd } from '../../../src/sys/memfd.ts'
import { heapMemory, heldBytes } from '../../../src/sys/memory.ts'
import { systemMemory } from '../../../src/sys/system-memory.ts'
import { preadv, pwritev } from '../../../src/sys/vectors.ts'
import {
  GuestMemory,
  Location,
  type MemoryRegion,
} from '../../../src/transport/vhost-user/guest-memory.ts'
import { Iovecs } from '../../../src/transport/vhost-user/iovecs.ts'
import { Random } from '../../fuzz/random.ts'
import { memfdMappings, openDescriptors } from '../../support/descriptors.ts'
import { afterwards } from '../../support/temporary.ts'
import { GuestRam, PAGE } from '../../support/vhost-user/guest-ram.ts'

const MIB = 2 ** 20
const SEAM = 2 ** 32 + 8 * MIB

let ram: GuestRam
let guest: GuestMemory
let iovecs: Iovecs
let found: Location

beforeEach(() => {
  ram = new GuestRam()
  guest = new GuestMemory(
    ram.regions,
    ram.files.map((fd) => openSync(`/proc/self/fd/${fd}`, 'r+')),
  )
  iovecs = new Iovecs()
  found = new Location()
  afterwards(() => {
    guest.close()
    ram.close()
  })
})

/** The free huge pages of this machine: none, unless an administrator has reserved some. */
function hugePagesHere(): { readonly free: number; readonly bytes: number } {
  const text = readFileSync('/proc/meminfo', 'latin1')
  const number = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
  return { free: number('HugePages_Free'), bytes: number('Hugepagesize') * 1024 }
}

/** The first `length` bytes of all iovecs. */
function gathered(length = iovecs.total): Buffer {
  const memory = heapMemory(length)
  iovecs.copyTo(memory, 0, 0, length)
  return memory.bytes
}

describe('a guest’s address', () => {
  it('is found in its region, with as many bytes as follow it there', () => {
    for (const { guestAddress, size } of ram.regions) {
      expect(guest.locate(guestAddress, found)).toBe(size)
      expect(found.offset).toBe(0)
      expect(guest.locate(guestAddress + size - 1, found)).toBe(1)
      ram.bytes(guestAddress + size - 1, 1)[0] = 77
      expect(found.memory.bytes[found.offset]).toBe(77)
    }
  })

  it('has another value in the front end', () => {
    for (const { guestAddress, userAddress, size } of ram.regions) {
      ram.bytes(guestAddress + 100, 1)[0] = 99
      expect(guest.locateUser(userAddress + 100, found)).toBe(size - 100)
      expect(found.memory.bytes[found.offset]).toBe(99)
      expect(guest.locateUser(userAddress + size, found)).toBe(0)
      expect(guest.locateUser(userAddress - 1, found)).toBe(0)
    }
  })

  it('is none in a hole, behind all, and where no number is exact', () => {
    for (const address of [
      0xa0000,
      MIB - 1,
      17 * MIB,
      2 ** 32 - 1,
      2 ** 32 + 16 * MIB,
      2 ** 53,
      2 ** 64,
      -1,
      NaN,
    ]) {
      expect([address, guest.locate(address, found)]).toEqual([address, 0])
    }
  })

  it('is found as well after another region was looked into', () => {
    for (let round = 0; round < 2; round++) {
      for (const { guestAddress, size } of ram.regions) {
        expect(guest.locate(guestAddress + 5, found)).toBe(size - 5)
      }
    }
  })
})

describe('guest memory', () => {
  it('closes the files that it was made of, also where it cannot be made', () => {
    const size = PAGE
    const region: MemoryRegion = { guestAddress: 0, size, userAddress: 0, offset: 0 }
    const before = openDescriptors()
    new GuestMemory([region], [createMemfd(PAGE)]).close()
    expect(openDescriptors()).toBe(before)
    const make = (...sizes: number[]): GuestMemory =>
      new GuestMemory(
        sizes.map((each) => ({ ...region, size: each })),
        sizes.map(() => createMemfd(PAGE)),
      )
    expect(() => make(PAGE, PAGE + 1, PAGE)).toThrow('longer than the file it is in')
    expect(() => make(PAGE, 0, PAGE)).toThrow('mmap: EINVAL')
    expect(openDescriptors()).toBe(before)
  })
})

describe('guest memory in blocks', () => {
  it('may begin and end within one', () => {
    const block = 16 * PAGE
    const fd = createMemfd(3 * block)
    afterwards(() => discard(fd))
    expectWithin(fd, block, (offset) => new Mapping(fd, offset, block, block))
  })

  // Most machines have none set aside, and none of ours has to: what is done for them is seen above.
  const huge = hugePagesHere()
  // oxlint-disable-next-line vitest/no-conditional-tests -- a skip would be a failure where there are none.
  if (huge.free >= 3) {
    it('may begin and end within a huge page', () => {
      const fd = createMemfd(3 * huge.bytes, 'huge')
      afterwards(() => discard(fd))
      const mappings = memfdMappings()
      const region = { guestAddress: MIB, size: huge.bytes, userAddress: 0 }
      const memory = new GuestMemory(
        [{ ...region, offset: huge.bytes + PAGE }],
        [openSync(`/proc/self/fd/${fd}`, 'r+')],
      )
      expect(memory.locate(MIB + huge.bytes - 1, found)).toBe(1)
      expect(memory.locate(MIB + huge.bytes, found)).toBe(0)
      memory.close()
      expect(memfdMappings()).toBe(mappings)
      expectWithin(fd, huge.bytes, (offset) => new Mapping(fd, offset, huge.bytes, huge.bytes))
    })
  }
})

/** A mapping of one block's size that begins a page behind a block shows just that part of its file. */
function expectWithin(fd: number, block: number, map: (offset: number) => Mapping): void {
  const whole = new Mapping(fd, 0, 3 * block)
  afterwards(() => whole.close())
  const text = Buffer.from('over the end of a block')
  text.copy(whole.windows[0]!.bytes, 2 * block - 10)
  const mappings = memfdMappings()
  const part = map(block + PAGE)
  const [window] = part.windows
  expect(window!.bytes.length).toBe(block)
  expect(window!.bytes.subarray(block - PAGE - 10, block - PAGE - 10 + text.length)).toEqual(text)
  part.close()
  expect(memfdMappings()).toBe(mappings)
}

describe('iovecs', () => {
  it('are one where descriptors follow one another, and another where they do not', () => {
    iovecs.add(guest, MIB + 100, 50)
    iovecs.add(guest, MIB + 150, 4000)
    iovecs.add(guest, MIB + 4150, 1)
    expect([iovecs.count, iovecs.total, iovecs.length]).toEqual([1, 4051, 4051])
    iovecs.add(guest, MIB + 4152, 1)
    iovecs.add(guest, MIB + 100, 1)
    expect([iovecs.count, iovecs.total, iovecs.length]).toEqual([3, 4053, 4051])
  })

  it('are two where one descriptor reaches from region to region', () => {
    iovecs.add(guest, SEAM - 10, 30)
    expect([iovecs.count, iovecs.total, iovecs.length]).toEqual([2, 30, 10])
    ram.bytes(SEAM - 10, 10).fill('a')
    ram.bytes(SEAM, 20).fill('b')
    expect(gathered().toString()).toBe('a'.repeat(10) + 'b'.repeat(20))
  })

  it('are none of no bytes, and begin anew', () => {
    iovecs.add(guest, 0xb0000, 0)
    expect([iovecs.count, iovecs.total]).toEqual([0, 0])
    iovecs.add(guest, 0, 5)
    iovecs.clear()
    iovecs.add(guest, 4096, 5)
    expect([iovecs.count, iovecs.total, iovecs.offset]).toEqual([1, 5, 4096])
  })

  it('are refused where they leave the memory', () => {
    expect(() => iovecs.add(guest, 0xa0000 - 5, 6)).toThrow('outside of the guest')
    expect(() => iovecs.add(guest, SEAM + 8 * MIB - 5, 6)).toThrow('outside of the guest')
  })

  it('are copied from and to, as many bytes as there are on both sides', () => {
    for (const [at, length] of [
      [MIB, 3],
      [2 ** 32, 1],
      [100, 6],
    ] as const) {
      iovecs.add(guest, at, length)
    }
    iovecs.copyFrom(heldBytes(Buffer.from('0123456789, and more')), 0, 20)
    expect([ram.bytes(MIB, 4), ram.bytes(2 ** 32, 2), ram.bytes(100, 7)].map(String)).toEqual([
      '012\0',
      '3\0',
      '456789\0',
    ])
    expect(gathered(5).toString()).toBe('01234')
    expect(gathered(12).toString()).toBe('0123456789\0\0')
  })

  it('are pieces for system calls and for others alike, from any byte on', () => {
    const random = new Random(3)
    const fd = createMemfd(PAGE)
    afterwards(() => discard(fd))
    for (let round = 0; round < 200; round++) {
      iovecs.clear()
      for (let i = random.upTo(12); i >= 0; i--) {
        iovecs.add(guest, random.pick([MIB, SEAM - 20, 2 ** 32]) + 64 * i, 1 + random.upTo(40))
      }
      const whole = random.bytes(iovecs.total)
      iovecs.copyFrom(heldBytes(whole), 0, whole.length)
      // They may lie over one another.
      const expected = gathered()
      const start = random.upTo(iovecs.total)
      const length = random.upTo(iovecs.total - start)
      const pieces = iovecs.pieces(start, length)
      const part = expected.subarray(start, start + length)
      expect(pieces.gather(length)).toEqual(part)
      expect(pieces.gather(length + 5)).toEqual(part)
      expect(pwritev(fd, pieces.vector, pieces.count, 0)).toBe(length)
      const memory = systemMemory(PAGE)
      pread(fd, memory.address, length, 0)
      expect(memory.bytes.subarray(0, length)).toEqual(part)

      memory.bytes.fill(round)
      pwrite(fd, memory.address, length, 0)
      expect(preadv(fd, pieces.vector, pieces.count, 0)).toBe(length)
      expect(
        iovecs
          .pieces(start, length)
          .gather(length)
          .every((byte) => byte === round),
      ).toBe(true)
      iovecs.pieces(start, length).scatter(Buffer.alloc(length + 9, round + 1))
      expect(gathered().subarray(start, start + length)).toEqual(Buffer.alloc(length, round + 1))
    }
  })

  it('are a run where they are one piece', () => {
    iovecs.add(guest, MIB + 100, 11)
    iovecs.add(guest, 2 ** 32 + 7, 100)
    const { memory, offset, count } = iovecs.pieces(11, 100)
    ram.bytes(2 ** 32 + 7, 3).write('abc')
    expect([count, memory.bytes.toString('latin1', offset, offset + 3)]).toEqual([1, 'abc'])
    expect(iovecs.pieces(10, 3).count).toBe(2)
    expect(iovecs.pieces(111, 0).count).toBe(0)
  })
})
