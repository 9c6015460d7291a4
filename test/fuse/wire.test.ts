import { describe, expect, it } from 'vitest'
import { encodeReply, headerAt } from '../../src/fuse/wire/codec.ts'
import { type MessageName, messages } from '../../src/fuse/wire/messages.ts'
import { heapMemory } from '../../src/sys/memory.ts'
import { Writer } from '../../src/wire/cursor.ts'
import { memoryOf } from '../support/frames.ts'
import { fieldsOf } from '../support/fuse/client.ts'
import { leastBytes, messageNames, requestBytes } from '../support/fuse/requests.ts'

/** Where each field begins in its struct, and the struct's size, as the compiler has it for linux/fuse.h (7.38). */
type Layout = Readonly<Record<string, number>> & { readonly sizeof: number }

const opening = { flags: 0, openFlags: 4, sizeof: 8 }
const creating = { flags: 0, mode: 4, umask: 8, openFlags: 12, sizeof: 16 }
const releasing = { fh: 0, flags: 8, releaseFlags: 12, lockOwner: 16, sizeof: 24 }
const syncing = { fh: 0, flags: 8, sizeof: 16 }
const reading = { fh: 0, offset: 8, size: 16, readFlags: 20, flags: 32, sizeof: 40 }
const { readFlags: _, ...rest } = reading
const writing = { ...rest, writeFlags: 20 }
const locking = { fh: 0, owner: 8, start: 16, end: 24, type: 32, pid: 36, flags: 40, sizeof: 48 }
const none = { sizeof: 0 }

/** The struct at the beginning of each request; names and data follow. */
const requests: Readonly<Record<MessageName, Layout>> = {
  lookup: none,
  forget: { count: 0, sizeof: 8 },
  getattr: { flags: 0, fh: 8, sizeof: 16 },
  setattr: {
    valid: 0,
    fh: 8,
    size: 16,
    lockOwner: 24,
    atimeSec: 32,
    mtimeSec: 40,
    ctimeSec: 48,
    atimeNsec: 56,
    mtimeNsec: 60,
    ctimeNsec: 64,
    mode: 68,
    uid: 76,
    gid: 80,
    sizeof: 88,
  },
  readlink: none,
  symlink: none,
  mknod: { mode: 0, rdev: 4, umask: 8, sizeof: 16 },
  mkdir: { mode: 0, umask: 4, sizeof: 8 },
  unlink: none,
  rmdir: none,
  rename: { newdir: 0, sizeof: 8 },
  link: { oldnodeid: 0, sizeof: 8 },
  open: opening,
  read: reading,
  write: writing,
  statfs: none,
  release: releasing,
  fsync: syncing,
  // FUSE_COMPAT_SETXATTR_IN_SIZE
  setxattr: { size: 0, flags: 4, sizeof: 8 },
  getxattr: { size: 0, sizeof: 8 },
  listxattr: { size: 0, sizeof: 8 },
  removexattr: none,
  flush: { fh: 0, lockOwner: 16, sizeof: 24 },
  // The kernel of 7.35 and before ends here; what follows is shown by the test of INIT.
  init: { major: 0, minor: 4, maxReadahead: 8, flags: 12, flags2: 16, sizeof: 16 },
  opendir: opening,
  readdir: reading,
  releasedir: releasing,
  fsyncdir: syncing,
  getlk: locking,
  setlk: locking,
  setlkw: locking,
  create: creating,
  interrupt: { unique: 0, sizeof: 8 },
  destroy: none,
  batchForget: { sizeof: 8 },
  fallocate: { fh: 0, offset: 8, length: 16, mode: 24, sizeof: 32 },
  readdirplus: reading,
  rename2: { newdir: 0, flags: 8, sizeof: 16 },
  lseek: { fh: 0, offset: 8, whence: 16, sizeof: 24 },
  copyFileRange: {
    fh: 0,
    offset: 8,
    nodeidOut: 16,
    fhOut: 24,
    offsetOut: 32,
    length: 40,
    flags: 48,
    sizeof: 56,
  },
  syncfs: { sizeof: 8 },
  tmpfile: creating,
  statx: { flags: 0, fh: 8, statxFlags: 16, mask: 20, sizeof: 24 },
}

/** Replies of one struct. */
const replies = {
  open: { fh: 0, openFlags: 8, sizeof: 16 },
  opendir: { fh: 0, openFlags: 8, sizeof: 16 },
  write: { size: 0, sizeof: 8 },
  statfs: {
    blocks: 0,
    bfree: 8,
    bavail: 16,
    files: 24,
    ffree: 32,
    bsize: 40,
    namelen: 44,
    frsize: 48,
    sizeof: 80,
  },
  init: {
    major: 0,
    minor: 4,
    maxReadahead: 8,
    flags: 12,
    maxBackground: 16,
    congestionThreshold: 18,
    maxWrite: 20,
    timeGran: 24,
    maxPages: 28,
    mapAlignment: 30,
    flags2: 32,
    sizeof: 64,
  },
  getlk: { start: 0, end: 8, type: 16, pid: 20, sizeof: 24 },
  lseek: { offset: 0, sizeof: 8 },
  copyFileRange: { size: 0, sizeof: 8 },
} as const satisfies Partial<Record<MessageName, Layout>>

const IN_HEADER = 40
const OUT_HEADER = 16
const wide = new Set(['u64'])

/** A value for each field of a layout: its number, from 1 on. */
function numbered(kinds: Readonly<Record<string, string>>, layout: Layout): never {
  const values = offsets(layout).map(([field], i) => {
    return [field, wide.has(kinds[field] ?? '') ? BigInt(i + 1) : i + 1]
  })
  return Object.fromEntries(values) as never
}

/** What lies at the fields' places. */
function found(bytes: Buffer, layout: Layout): number[] {
  return offsets(layout).map(([, offset]) => bytes.readUInt16LE(offset))
}

function offsets(layout: Layout): [field: string, offset: number][] {
  return Object.entries(layout).filter(([field]) => field !== 'sizeof')
}

const fromOne = (layout: Layout): number[] => offsets(layout).map((_offset, i) => i + 1)

describe('the table of messages, against linux/fuse.h', () => {
  it.each(messageNames)('has the fields of a %s where the kernel has them', (name) => {
    const layout = requests[name]
    const fields = messages[name].T
    // What has no fixed length stands behind the struct: a name has at least its NUL.
    const names = Object.values(fields).filter((kind) => kind === 'name').length
    expect(leastBytes(fields) - names).toBe(layout.sizeof)
    const bytes = requestBytes(1, name, numbered(fields, layout))
    expect(found(bytes.subarray(IN_HEADER), layout)).toEqual(fromOne(layout))
  })

  it.each(Object.keys(replies) as (keyof typeof replies)[])(
    'has the fields of the reply to a %s there as well',
    (name) => {
      const memory = heapMemory(1000)
      const to = new Writer(memory).over(memory, 0, 1000)
      const unique = { uniqueLow: 0xffff_fffe, uniqueHigh: 0xffff_fffd }
      encodeReply(to, unique, name, numbered(messages[name].R, replies[name]))
      const bytes = memory.bytes.subarray(0, to.position)
      expect(bytes.length).toBe(OUT_HEADER + replies[name].sizeof)
      expect(found(bytes.subarray(OUT_HEADER), replies[name])).toEqual(fromOne(replies[name]))
      expect(bytes.readBigUInt64LE(8)).toBe(0xffff_fffd_ffff_fffen)
    },
  )

  it('has replies with nodes and attributes of the kernel’s sizes', () => {
    const size = (name: MessageName): number => leastBytes(messages[name].R ?? {})
    // fuse_entry_out, fuse_attr_out, fuse_entry_out and fuse_open_out, fuse_statx_out
    expect(
      ['lookup', 'getattr', 'create', 'tmpfile', 'statx'].map((name) => size(name as MessageName)),
    ).toEqual([128, 104, 144, 144, 288])
  })

  it('has the header of a request', () => {
    const bytes = requestBytes(
      2 ** 40 + 7,
      'destroy',
      {},
      { nodeid: 2 ** 33, uid: 5, gid: 6, pid: 7 },
    )
    expect(bytes.length).toBe(IN_HEADER)
    expect([0, 4, 24, 28, 32, 36].map((at) => bytes.readUInt32LE(at))).toEqual([40, 38, 5, 6, 7, 0])
    expect(headerAt(memoryOf(bytes), 0)).toEqual({
      unique: 2 ** 40 + 7,
      uniqueLow: 7,
      uniqueHigh: 256,
      nodeid: 2 ** 33,
      uid: 5,
      gid: 6,
      pid: 7,
    })
  })

  it('has an entry and its attributes', () => {
    // struct fuse_entry_out with struct fuse_attr, field by field.
    const bytes = Buffer.alloc(OUT_HEADER + 128)
    bytes.writeUInt32LE(bytes.length, 0)
    const at = OUT_HEADER
    const eights = { 0: 42, 16: 1, 24: 2, 40: 9, 48: 10, 56: 11, 64: 12, 72: 13, 80: 14 }
    const fours = { 32: 500_000_000, 36: 250_000_000, 88: 15, 92: 16, 96: 17, 100: 18, 104: 19 }
    const more = { 108: 20, 112: 21, 116: 22, 120: 23, 124: 24 }
    for (const [offset, value] of Object.entries(eights)) {
      bytes.writeBigUInt64LE(BigInt(value), at + Number(offset))
    }
    for (const [offset, value] of Object.entries({ ...fours, ...more })) {
      bytes.writeUInt32LE(value, at + Number(offset))
    }
    const attributes = {
      ino: 9n,
      size: 10,
      blocks: 11,
      atimeSec: 12,
      mtimeSec: 13,
      ctimeSec: 14,
      atimeNsec: 15,
      mtimeNsec: 16,
      ctimeNsec: 17,
      mode: 18,
      nlink: 19,
      uid: 20,
      gid: 21,
      rdev: 22,
      blksize: 23,
      flags: 24,
    }
    const entry = { nodeid: 42, entryValid: 1.5, attrValid: 2.25, attributes, flags: 24 }
    expect(fieldsOf('lookup', bytes)).toEqual({ entry })
    const memory = heapMemory(bytes.length)
    const to = new Writer(memory).over(memory, 0, bytes.length)
    encodeReply(to, { uniqueLow: 0, uniqueHigh: 0 }, 'lookup', { entry })
    expect(memory.bytes).toEqual(bytes)
  })
})
