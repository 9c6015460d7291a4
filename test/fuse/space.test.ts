import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { openFlags } from '../../src/tree/flags.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { FuseProbe } from '../support/fuse/fuse-probe.ts'
import { FuseHostProbe } from '../support/fuse/host-probe.ts'
import { memoryFolder } from '../support/memory-folder.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const { RDONLY, WRONLY, RDWR } = openFlags
/** FALLOC_FL_* (include/uapi/linux/falloc.h). */
const [KEEP_SIZE, PUNCH_HOLE, UNSHARE] = [1, 2, 0x40]
/** SEEK_* of lseek(2). */
const [SET, DATA, HOLE] = [0, 3, 4]
const MIB = 2 ** 20

let directory: string
let probe: FuseHostProbe

const path = (name: string): string => join(directory, name)

beforeEach(() => {
  // Its file system has holes, and punches them.
  directory = temporaryDirectory(memoryFolder)
  writeFileSync(path('file'), 'x'.repeat(16_384))
  writeFileSync(path('other'), '')
  probe = new FuseHostProbe(directory)
})

describe('FALLOCATE', () => {
  it('reserves space, and makes the file longer where it is asked to', () => {
    const fh = probe.opened('other', RDWR)
    probe.call('fallocate', { fh, offset: 0, length: MIB, mode: KEEP_SIZE })
    expect(statSync(path('other'))).toMatchObject({ size: 0, blocks: MIB / 512 })
    probe.call('fallocate', { fh, offset: 100, length: 900 })
    expect(statSync(path('other')).size).toBe(1000)
  })

  it('punches holes', () => {
    const fh = probe.opened('file', RDWR)
    probe.call('fallocate', { fh, offset: 4096, length: 4096, mode: PUNCH_HOLE | KEEP_SIZE })
    const bytes = readFileSync(path('file'))
    expect([bytes.length, bytes.indexOf(0), bytes.indexOf('x', 4096)]).toEqual([16_384, 4096, 8192])
  })

  it('tells what the host says of modes and lengths', () => {
    const fh = probe.opened('file', RDWR)
    const fallocate = (mode: number, length: number): number =>
      probe.errnoOf('fallocate', { fh, length, mode })
    expect(fallocate(PUNCH_HOLE, 1)).toBe(errno.EOPNOTSUPP)
    expect(fallocate(UNSHARE | PUNCH_HOLE, 1)).toBe(errno.EOPNOTSUPP)
    expect(fallocate(0xffff_ff00, 1)).toBe(errno.EOPNOTSUPP)
    expect(fallocate(0, 0)).toBe(errno.EINVAL)
    expect(fallocate(0, 2 ** 53 - 1)).toBeGreaterThan(0)
    expect(statSync(path('file')).size).toBe(16_384)
  })

  it('needs a file that is open for writing', () => {
    const fh = probe.opened('file', RDONLY)
    expect(probe.errnoOf('fallocate', { fh, length: 1 })).toBe(errno.EBADF)
    const { fh: folder } = probe.call('opendir')
    expect(probe.errnoOf('fallocate', { fh: folder, length: 1 })).toBe(errno.EISDIR)
  })
})

describe('LSEEK', () => {
  let fh: number

  beforeEach(() => {
    const fd = openSync(path('holes'), 'w')
    ftruncateSync(fd, 4 * MIB)
    writeSync(fd, 'data', 2 * MIB)
    closeSync(fd)
    fh = probe.opened('holes')
  })

  function lseek(offset: number, whence: number): number {
    return probe.call('lseek', { fh, offset, whence }).offset
  }

  it('finds data and holes', () => {
    expect(lseek(0, DATA)).toBe(2 * MIB)
    expect(lseek(0, HOLE)).toBe(0)
    const end = lseek(2 * MIB, HOLE)
    expect([end > 2 * MIB, end < 4 * MIB]).toEqual([true, true])
    expect(lseek(end, HOLE)).toBe(end)
  })

  it('is ENXIO behind the end, and where no data follow', () => {
    const refused = (offset: number, whence: number): number =>
      probe.errnoOf('lseek', { fh, offset, whence })
    expect(refused(4 * MIB, DATA)).toBe(errno.ENXIO)
    expect(refused(3 * MIB, DATA)).toBe(errno.ENXIO)
    expect(refused(5 * MIB, HOLE)).toBe(errno.ENXIO)
    // The kernel does the others itself.
    expect(refused(0, SET)).toBe(errno.EINVAL)
    expect(refused(0, 0xffff_ffff)).toBe(errno.EINVAL)
  })

  it('needs no handle on a read-only tree that is cached', () => {
    const policy = { readOnly: true }
    probe = new FuseHostProbe(directory, policy, { caching: 'loose', remoteLocks: false })
    const nodeid = probe.node('holes')
    expect(probe.call('lseek', { whence: DATA }, { nodeid }).offset).toBe(2 * MIB)
  })
})

describe('COPY_FILE_RANGE', () => {
  it('copies between two files, and within one', () => {
    writeFileSync(path('file'), '0123456789')
    const [fh, fhOut] = [probe.opened('file', RDWR), probe.opened('other', RDWR)]
    const copied = probe.call('copyFileRange', { fh, offset: 2, fhOut, offsetOut: 1, length: 5 })
    expect([copied.size, readFileSync(path('other'), 'latin1')]).toEqual([5, '\u000023456'])
    probe.call('copyFileRange', { fh, offset: 0, fhOut: fh, offsetOut: 10, length: 3 })
    expect(readFileSync(path('file'), 'latin1')).toBe('0123456789012')
  })

  it('copies up to the end, and nothing behind it', () => {
    const [fh, fhOut] = [probe.opened('file'), probe.opened('other', WRONLY)]
    expect(probe.call('copyFileRange', { fh, offset: 16_000, fhOut, length: 2 ** 60 }).size).toBe(
      384,
    )
    expect(probe.call('copyFileRange', { fh, offset: 99_999, fhOut, length: 9 }).size).toBe(0)
  })

  it('copies no more than 16 MiB at once: the client asks for the rest', () => {
    const fd = openSync(path('big'), 'w')
    ftruncateSync(fd, 40 * MIB)
    closeSync(fd)
    const [fh, fhOut] = [probe.opened('big'), probe.opened('other', WRONLY)]
    const { size } = probe.call('copyFileRange', { fh, fhOut, length: 40 * MIB })
    expect([size > 0, size <= 16 * MIB]).toEqual([true, true])
  })

  it('refuses flags, overlapping ranges, and files that are not open for it', () => {
    const [fh, fhOut] = [probe.opened('file', RDWR), probe.opened('other', RDONLY)]
    const refused = (fields: Parameters<typeof probe.errnoOf<'copyFileRange'>>[1]): number =>
      probe.errnoOf('copyFileRange', { fh, fhOut: fh, length: 10, ...fields })
    expect(refused({ flags: 1n })).toBe(errno.EINVAL)
    expect(refused({ offsetOut: 5 })).toBe(errno.EINVAL)
    expect(refused({ fhOut })).toBe(errno.EBADF)
    expect(refused({ fhOut: probe.call('opendir').fh })).toBe(errno.EISDIR)
  })
})

describe('SYNCFS', () => {
  it('is done for any node of a file system, and is nothing on a read-only tree', () => {
    expect(probe.errnoOf('syncfs')).toBe(0)
    const tree = new FakeTree()
    const synced: string[] = []
    Object.assign(tree.root, { syncfs: () => void synced.push('root') })
    const fake = new FuseProbe(tree)
    fake.call('syncfs')
    tree.readOnly = true
    fake.call('syncfs')
    expect(synced).toEqual(['root'])
    expect(fake.errnoOf('syncfs', {}, { nodeid: 4711 })).toBe(errno.ESTALE)
    tree.readOnly = false
    expect(fake.errnoOf('syncfs', {}, { nodeid: 4711 })).toBe(errno.ESTALE)
  })

  it('leaves no descriptor', () => {
    const before = openDescriptors()
    for (let i = 0; i < 100; i++) probe.call('syncfs')
    expect(openDescriptors()).toBe(before)
  })
})

describe('STATFS', () => {
  it('tells of the file system', () => {
    const { blocks, bsize, frsize, namelen, bfree, bavail } = probe.call('statfs')
    expect([blocks > 0n, bfree <= blocks, bavail <= bfree]).toEqual([true, true, true])
    expect([bsize, namelen]).toEqual([frsize, 255])
  })
})

describe('a file without space of its own', () => {
  it('is EOPNOTSUPP to FALLOCATE, LSEEK and COPY_FILE_RANGE, as Linux has it', () => {
    const fake = new FuseProbe(new FakeTree())
    const fh = fake.open(fake.node('file'))
    expect([
      fake.errnoOf('fallocate', { fh, length: 1 }),
      fake.errnoOf('lseek', { fh, whence: DATA }),
      fake.errnoOf('copyFileRange', { fh, fhOut: fh, length: 1 }),
    ]).toEqual([errno.EOPNOTSUPP, errno.EOPNOTSUPP, errno.EOPNOTSUPP])
  })
})
