import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/errno.ts'
import { limits } from '../../src/protocol/index.ts'
import { defaultLimits } from '../../src/server/limits.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { SessionProbe } from '../support/session-probe.ts'

let tree: FakeTree
let probe: SessionProbe

beforeEach(() => {
  tree = new FakeTree()
  probe = new SessionProbe(tree).attach()
})

function attach(fid: number, aname = ''): number {
  return probe.errnoOf('attach', { fid, afid: limits.NOFID, uname: '', aname, uid: 0 })
}

function walk(fid: number, newfid: number, ...names: string[]): number | string {
  try {
    const { qids } = probe.call('walk', { fid, newfid, names })
    return `${qids.length} qids`
  } catch (error) {
    return (error as { errno: number }).errno
  }
}

function stands(fid: number): boolean {
  return probe.errnoOf('getattr', { fid, mask: 1 }) === 0
}

function nameOf(fid: number): bigint {
  return probe.call('getattr', { fid, mask: 1 }).qid.path
}

describe('Tattach', () => {
  it('gives the root, as often as it is asked', () => {
    expect(attach(1)).toBe(0)
    expect(nameOf(1)).toBe(tree.root.qid.path)
  })

  it('refuses a fid in use, and NOFID', () => {
    expect(attach(0)).toBe(errno.EINVAL)
    expect(attach(limits.NOFID)).toBe(errno.EINVAL)
    expect(tree.uses).toBe(1)
  })

  it('leaves the fid free when the tree has no such name', () => {
    expect(attach(1, 'missing')).toBe(errno.ENOENT)
    expect(stands(1)).toBe(false)
  })

  it('says who creates through it', () => {
    probe.attach(7, 1000)
    expect(walk(7, 8)).toBe('0 qids')
    probe.call('mkdir', { dfid: 8, name: 'mine', mode: 0o755, gid: 50 })
    expect(tree.calls).toContain('mkdir mine 493 1000 50')
  })
})

describe('Twalk', () => {
  it('of no names gives another fid of the same file', () => {
    expect(walk(0, 1)).toBe('0 qids')
    expect(nameOf(1)).toBe(nameOf(0))
    probe.call('clunk', { fid: 0 })
    expect(stands(1)).toBe(true)
  })

  it('gives the qid of every step', () => {
    const { qids } = probe.call('walk', { fid: 0, newfid: 1, names: ['dir', 'inner'] })
    const dir = tree.root.children.get('dir')!
    expect(qids).toEqual([dir.qid, dir.children.get('inner')!.qid])
    expect(nameOf(1)).toBe(dir.children.get('inner')!.qid.path)
  })

  it('is shorter where a later step fails, and newfid stays free', () => {
    expect(walk(0, 1, 'dir', 'missing', 'inner')).toBe('1 qids')
    expect(stands(1)).toBe(false)
    expect(walk(0, 1, 'file', 'x')).toBe('1 qids')
    expect(stands(1)).toBe(false)
    expect(walk(0, 1, 'dir', '')).toBe('1 qids')
    expect(tree.uses).toBe(1)
  })

  it('fails where the first step fails', () => {
    expect(walk(0, 1, 'missing')).toBe(errno.ENOENT)
    expect(walk(0, 1, 'missing', 'inner')).toBe(errno.ENOENT)
    expect(stands(1)).toBe(false)
    expect(tree.uses).toBe(1)
  })

  it('moves a fid to itself only when every step is there', () => {
    probe.walk(1, 'dir')
    const dir = nameOf(1)
    expect(walk(1, 1, 'inner', 'missing')).toBe('1 qids')
    expect(nameOf(1)).toBe(dir)
    expect(walk(1, 1, 'missing')).toBe(errno.ENOENT)
    expect(nameOf(1)).toBe(dir)
    expect(walk(1, 1)).toBe('0 qids')
    expect(nameOf(1)).toBe(dir)
    expect(walk(1, 1, 'inner')).toBe('1 qids')
    expect(nameOf(1)).not.toBe(dir)
    expect(tree.uses).toBe(2)
  })

  it('goes up with .., and stays at the root', () => {
    expect(walk(0, 1, 'dir', 'inner', '..', '..', '..', '..')).toBe('6 qids')
    expect(nameOf(1)).toBe(nameOf(0))
  })

  it('works from an open fid, but not to itself', () => {
    probe.walk(1, 'dir').open(1)
    expect(walk(1, 2, 'inner')).toBe('1 qids')
    expect(walk(1, 3)).toBe('0 qids')
    expect(walk(1, 1, 'inner')).toBe(errno.EINVAL)
    expect(walk(1, 1)).toBe(errno.EINVAL)
    // What a walk gives is not open.
    expect(probe.errnoOf('readdir', { fid: 3, offset: 0n, count: 100 })).toBe(errno.EBADF)
  })

  it('refuses a newfid in use, NOFID, and a fid that stands for nothing', () => {
    probe.walk(1, 'dir')
    expect(walk(0, 1, 'file')).toBe(errno.EINVAL)
    expect(walk(0, 1)).toBe(errno.EINVAL)
    expect(walk(0, limits.NOFID, 'file')).toBe(errno.EINVAL)
    expect(walk(9, 2, 'file')).toBe(errno.EBADF)
    expect(walk(limits.NOFID, 2)).toBe(errno.EBADF)
    expect(walk(9, 9)).toBe(errno.EBADF)
    expect(tree.uses).toBe(2)
  })

  it('takes 16 names and ends the connection at 17', () => {
    const up = Array.from({ length: 16 }, () => '..')
    expect(walk(0, 1, ...up)).toBe('16 qids')
    expect(() => probe.send(1, 'walk', { fid: 0, newfid: 3, names: [...up, '..'] })).toThrow(
      expect.objectContaining({ code: 'LIST_TOO_LONG' }),
    )
  })

  it('is refused when there are as many fids as there may be, and goes on when one is gone', () => {
    const few = new SessionProbe(tree, 8192, { ...defaultLimits, fids: 2 }).attach()
    few.walk(1, 'dir')
    expect(few.errnoOf('walk', { fid: 0, newfid: 2, names: [] })).toBe(errno.ENFILE)
    // To itself, it needs no other.
    few.call('walk', { fid: 1, newfid: 1, names: ['inner'] })
    few.call('clunk', { fid: 1 })
    few.walk(2, 'dir')
  })
})

describe('Tclunk', () => {
  it('closes the file and frees the fid', () => {
    probe.walk(1, 'file').open(1)
    expect([tree.uses, tree.openFiles]).toEqual([2, 1])
    probe.call('clunk', { fid: 1 })
    expect([tree.uses, tree.openFiles]).toEqual([1, 0])
    expect(probe.errnoOf('clunk', { fid: 1 })).toBe(errno.EBADF)
    expect(tree.faults).toEqual([])
  })

  it('frees the fid also when the file cannot be closed', () => {
    probe.walk(1, 'file').open(1)
    tree.closeError = new TypeError('no')
    expect(probe.errnoOf('clunk', { fid: 1 })).toBe(errno.EIO)
    tree.closeError = undefined
    expect(tree.uses).toBe(1)
    expect(stands(1)).toBe(false)
  })
})

describe('the end of a conversation', () => {
  beforeEach(() => {
    for (let fid = 1; fid <= 20; fid++) probe.walk(fid, fid % 2 ? 'file' : 'dir').open(fid)
  })

  it('has something to end', () => {
    expect([tree.uses, tree.openFiles]).toEqual([21, 20])
  })

  it('closes every file and releases every node, once', () => {
    probe.session.close()
    probe.session.close()
    expect([tree.uses, tree.openFiles, tree.faults]).toEqual([0, 0, []])
  })

  it('does so also when closing them fails', () => {
    tree.closeError = new Error('EIO of a network file system')
    probe.session.close()
    expect([tree.uses, tree.openFiles, tree.faults]).toEqual([0, 0, []])
  })
})

describe('every request', () => {
  it('that names a fid which stands for nothing is EBADF', () => {
    const fid = 77
    const name = 'x'
    const range = { start: 0n, length: 0n, procId: 1, clientId: '' }
    const calls = [
      probe.errnoOf('statfs', { fid }),
      probe.errnoOf('lopen', { fid, flags: 0 }),
      probe.errnoOf('lcreate', { fid, name, flags: 0, mode: 0, gid: 0 }),
      probe.errnoOf('symlink', { dfid: fid, name, symtgt: 't', gid: 0 }),
      probe.errnoOf('readlink', { fid }),
      probe.errnoOf('getattr', { fid, mask: 0 }),
      probe.errnoOf('readdir', { fid, offset: 0n, count: 99 }),
      probe.errnoOf('fsync', { fid, datasync: 0 }),
      probe.errnoOf('link', { dfid: fid, fid: 0, name }),
      probe.errnoOf('link', { dfid: 0, fid, name }),
      probe.errnoOf('mkdir', { dfid: fid, name, mode: 0, gid: 0 }),
      probe.errnoOf('renameat', { olddirfid: fid, oldname: name, newdirfid: 0, newname: name }),
      probe.errnoOf('renameat', { olddirfid: 0, oldname: name, newdirfid: fid, newname: name }),
      probe.errnoOf('unlinkat', { dirfid: fid, name, flags: 0 }),
      probe.errnoOf('read', { fid, offset: 0, count: 1 }),
      probe.errnoOf('clunk', { fid }),
      probe.errnoOf('remove', { fid }),
      probe.errnoOf('mknod', { dfid: fid, name, mode: 0, major: 0, minor: 0, gid: 0 }),
      probe.errnoOf('rename', { fid, dfid: 0, name }),
      probe.errnoOf('rename', { fid: 0, dfid: fid, name }),
      probe.errnoOf('xattrwalk', { fid, newfid: 78, name: '' }),
      probe.errnoOf('xattrcreate', { fid, name, size: 0n, flags: 0 }),
      probe.errnoOf('lock', { fid, type: 0, flags: 0, ...range }),
      probe.errnoOf('getlock', { fid, type: 0, ...range }),
    ]
    expect(calls).toEqual(calls.map(() => errno.EBADF))
    expect(tree.calls).toEqual(['attach '])
  })
})
