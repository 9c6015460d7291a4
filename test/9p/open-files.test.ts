import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { limits, payloadBytes, readDirent, Reader } from '../../src/9p/index.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { memoryOf } from '../support/frames.ts'
import { SessionProbe } from '../support/session-probe.ts'

let tree: FakeTree
let probe: SessionProbe

beforeEach(() => {
  tree = new FakeTree()
  probe = new SessionProbe(tree).attach()
})

function read(fid: number, offset: number, count: number): Buffer {
  return payloadBytes(probe.call('read', { fid, offset, count }).data)
}

function entries(fid: number, offset: bigint, count: number): string[] {
  const bytes = payloadBytes(probe.call('readdir', { fid, offset, count }).data)
  const memory = memoryOf(bytes)
  const from = new Reader(memory).over(memory, 0, bytes.length)
  const names: string[] = []
  while (from.position < from.end) names.push(readDirent(from).name)
  return names
}

describe('Tlopen', () => {
  it('hands the flags to the tree and answers an iounit of 0: the whole msize', () => {
    const flags = 0o100002
    probe.walk(1, 'file')
    expect(probe.call('lopen', { fid: 1, flags })).toMatchObject({ iounit: 0 })
    expect(tree.calls.at(-1)).toBe(`open ${flags}`)
  })

  it('opens a fid once', () => {
    probe.walk(1, 'file').open(1)
    expect(probe.errnoOf('lopen', { fid: 1, flags: 0 })).toBe(errno.EINVAL)
    expect(read(1, 0, 5).toString()).toBe('hello')
    expect(tree.openFiles).toBe(1)
  })

  it('that the tree refuses leaves the fid closed, and it may be opened again', () => {
    probe.walk(1, 'link')
    expect(probe.errnoOf('lopen', { fid: 1, flags: 0 })).toBe(errno.ENXIO)
    expect(probe.errnoOf('lopen', { fid: 1, flags: 0 })).toBe(errno.ENXIO)
  })
})

describe('Tlcreate', () => {
  const create = { name: 'new', flags: 1, mode: 0o644, gid: 0 }

  it('turns the fid of the directory into the new file, open', () => {
    probe.walk(1, 'dir')
    const { qid } = probe.call('lcreate', { fid: 1, ...create })
    expect(probe.call('getattr', { fid: 1, mask: 0 }).qid).toEqual(qid)
    expect(read(1, 0, 5).length).toBe(0)
    expect([tree.uses, tree.openFiles, tree.faults]).toEqual([2, 1, []])
    probe.call('clunk', { fid: 1 })
    expect([tree.uses, tree.openFiles, tree.faults]).toEqual([1, 0, []])
  })

  it('leaves the fid what it was when it fails', () => {
    probe.walk(1, 'dir')
    expect(probe.errnoOf('lcreate', { fid: 1, ...create, name: 'inner' })).toBe(errno.EEXIST)
    probe.walk(2, 'dir')
    const qid = (fid: number): unknown => probe.call('getattr', { fid, mask: 0 }).qid
    expect(qid(1)).toEqual(qid(2))
    expect(tree.uses).toBe(3)
  })

  it('is refused in a file and on an open fid', () => {
    probe.walk(1, 'file').walk(2, 'dir').open(2)
    expect(probe.errnoOf('lcreate', { fid: 1, ...create })).toBe(errno.ENOTDIR)
    expect(probe.errnoOf('lcreate', { fid: 2, ...create })).toBe(errno.EINVAL)
    expect(tree.calls.some((call) => call.startsWith('create'))).toBe(false)
  })
})

describe('reading and writing', () => {
  it('needs an open fid', () => {
    probe.walk(1, 'file')
    expect(probe.errnoOf('read', { fid: 1, offset: 0, count: 1 })).toBe(errno.EBADF)
    expect(probe.errnoOf('readdir', { fid: 1, offset: 0n, count: 99 })).toBe(errno.EBADF)
    expect(probe.errnoOf('fsync', { fid: 1, datasync: 0 })).toBe(errno.EBADF)
    const data = { memory: memoryOf(Buffer.from('x')), offset: 0, length: 1 }
    expect(probe.errnoOf('write', { fid: 1, offset: 0, data })).toBe(errno.EBADF)
  })

  it('never asks for the bytes of a directory or the entries of a file', () => {
    probe.walk(1, 'file').open(1).walk(2, 'dir').open(2)
    expect(probe.errnoOf('read', { fid: 2, offset: 0, count: 1 })).toBe(errno.EISDIR)
    const data = { memory: memoryOf(Buffer.from('x')), offset: 0, length: 1 }
    expect(probe.errnoOf('write', { fid: 2, offset: 0, data })).toBe(errno.EISDIR)
    expect(probe.errnoOf('readdir', { fid: 1, offset: 0n, count: 99 })).toBe(errno.ENOTDIR)
  })

  it('gives the bytes that were asked for, fewer only at the end', () => {
    probe.walk(1, 'file').open(1)
    expect(read(1, 0, 5).toString()).toBe('hello')
    expect(read(1, 1, 3).toString()).toBe('ell')
    expect(read(1, 3, 100).toString()).toBe('lo')
    expect(read(1, 5, 100).length).toBe(0)
    expect(read(1, 0, 0).length).toBe(0)
    expect(read(1, Number.MAX_SAFE_INTEGER, 0xffff_ffff).length).toBe(0)
  })

  it.each([4096, 8192, 65536, limits.MSIZE_MAX])(
    'cuts a count above an msize of %i: the reply is smaller than it',
    (msize) => {
      probe = new SessionProbe(tree, msize).attach()
      probe.walk(1, 'big').open(1)
      // The probe refuses a reply as large as msize.
      for (const count of [msize - 24, msize - 11, msize, msize + 1, 0x7fff_ffff, 0xffff_ffff]) {
        expect([count, read(1, 9, count).length]).toEqual([count, msize - 24])
      }
      expect(read(1, 0, msize - 25).length).toBe(msize - 25)
    },
  )

  it('cuts the entries of a directory as well', () => {
    const many = Object.fromEntries(
      Array.from({ length: 3000 }, (_, i) => [`entry ${i}`, tree.file('', () => 0)]),
    )
    tree.root.add('many', tree.directory('many', many))
    probe = new SessionProbe(tree, 4096).attach()
    probe.walk(1, 'many').open(1)
    const some = entries(1, 0n, 0xffff_ffff)
    expect(some.length).toBeGreaterThan(80)
    const rest = entries(1, BigInt(some.length), 4096)
    expect(rest[0]).toBe(`entry ${some.length}`)
  })

  it('has the offset and the bytes that the client sent', () => {
    probe.walk(1, 'file').open(1, 2)
    const data = { memory: memoryOf(Buffer.from('four')), offset: 0, length: 4 }
    const offset = 0x1_0000_0003
    expect(probe.call('write', { fid: 1, offset, data })).toEqual({ count: 4 })
    expect(tree.calls.at(-1)).toBe(`write ${offset} 4`)
  })

  it('at an offset of 2^53 or more fails only that request', () => {
    probe.walk(1, 'file').open(1)
    const bytes = Buffer.from(
      '17000000 74 0900 01000000 0000000000002000 01000000'.replaceAll(' ', ''),
      'hex',
    )
    probe.sendRaw(bytes)
    expect(probe.replies.map(({ type, tag }) => [type, tag])).toEqual([[7, 9]])
    expect(probe.replies[0]!.frame.readUInt32LE(7)).toBe(errno.EFBIG)
    expect(read(1, 0, 5).toString()).toBe('hello')
  })

  it('passes fsync and fdatasync on', () => {
    probe.walk(1, 'file').open(1)
    probe.call('fsync', { fid: 1, datasync: 0 })
    probe.call('fsync', { fid: 1, datasync: 1 })
    expect(tree.calls.slice(-2)).toEqual(['fsync', 'fdatasync'])
  })
})

describe('an open fid', () => {
  it('can be asked and changed like any other', () => {
    probe.walk(1, 'dir').open(1)
    probe.call('getattr', { fid: 1, mask: 0x7ff })
    probe.call('statfs', { fid: 1 })
    probe.call('mkdir', { dfid: 1, name: 'new', mode: 0, gid: 0 })
    probe.call('unlinkat', { dirfid: 1, name: 'new', flags: 0x200 })
    probe.call('unlinkat', { dirfid: 1, name: 'new', flags: 0 })
    const times = { atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0 }
    const changes = { valid: 1, mode: 0, uid: 0, gid: 0, size: 0, ...times }
    probe.call('setattr', { fid: 1, ...changes })
    probe.walk(2, 'dir')
    probe.call('setattr', { fid: 2, ...changes })
    expect(tree.calls.slice(-6)).toEqual([
      'mkdir new 0 0 0',
      'unlink new directory',
      'unlink new file',
      'setattr mode open',
      'lookup dir',
      'setattr mode closed',
    ])
  })
})

describe('requests on names', () => {
  it('need the fid of a directory', () => {
    probe.walk(1, 'file')
    const name = 'x'
    const answers = [
      probe.errnoOf('mkdir', { dfid: 1, name, mode: 0, gid: 0 }),
      probe.errnoOf('symlink', { dfid: 1, name, symtgt: 't', gid: 0 }),
      probe.errnoOf('link', { dfid: 1, fid: 1, name }),
      probe.errnoOf('renameat', { olddirfid: 1, oldname: name, newdirfid: 0, newname: name }),
      probe.errnoOf('renameat', { olddirfid: 0, oldname: name, newdirfid: 1, newname: name }),
      probe.errnoOf('unlinkat', { dirfid: 1, name, flags: 0 }),
    ]
    expect(answers).toEqual(answers.map(() => errno.ENOTDIR))
  })
})

describe('Treadlink', () => {
  it('answers a target that fits, and refuses one that does not without a word in the log', () => {
    probe = new SessionProbe(tree, 4096).attach()
    probe.walk(1, 'link')
    const link = tree.root.children.get('link')!
    for (const length of [1, 4000, 4072]) {
      link.target = 't'.repeat(length)
      expect(probe.call('readlink', { fid: 1 }).target).toBe(link.target)
    }
    for (const length of [4087, 4088, 4095]) {
      link.target = 't'.repeat(length)
      expect(probe.errnoOf('readlink', { fid: 1 })).toBe(errno.ENAMETOOLONG)
    }
    expect(probe.log).toEqual([])
  })
})
