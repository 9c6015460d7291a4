import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { limits } from '../../src/9p/index.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { SessionProbe } from '../support/session-probe.ts'

let tree: FakeTree
let probe: SessionProbe

beforeEach(() => {
  tree = new FakeTree()
  probe = new SessionProbe(tree).attach()
})

function expectClean(): void {
  probe.session.close()
  expect([tree.uses, tree.openFiles, tree.faults]).toEqual([0, 0, []])
}

describe('Tremove', () => {
  it('unlinks what the fid stands for, and the fid is gone', () => {
    probe.walk(1, 'file').walk(2, 'dir/inner').open(2)
    probe.call('remove', { fid: 1 })
    probe.call('remove', { fid: 2 })
    expect(tree.calls.slice(-2)).toEqual(['unlink file file', 'unlink inner directory'])
    for (const fid of [1, 2]) expect(probe.errnoOf('clunk', { fid })).toBe(errno.EBADF)
    expectClean()
  })

  it('takes the fid also when it fails', () => {
    expect(probe.errnoOf('remove', { fid: 0 })).toBe(errno.EBUSY)
    expect(probe.errnoOf('clunk', { fid: 0 })).toBe(errno.EBADF)
    expect(probe.errnoOf('remove', { fid: 0 })).toBe(errno.EBADF)
    expectClean()
  })

  it('takes the fid also on a read-only tree', () => {
    tree.readOnly = true
    probe.walk(1, 'file')
    expect(probe.errnoOf('remove', { fid: 1 })).toBe(errno.EROFS)
    expect(probe.errnoOf('clunk', { fid: 1 })).toBe(errno.EBADF)
    expect(tree.calls).not.toContain('unlink file file')
    expectClean()
  })
})

describe('Trename', () => {
  it('renames what the fid stands for', () => {
    probe.walk(1, 'file').walk(2, 'dir')
    probe.call('rename', { fid: 1, dfid: 2, name: 'new' })
    expect(tree.calls.at(-1)).toBe('rename file dir new')
    expectClean()
  })

  it('needs a directory, a name and a fid that is not the root', () => {
    probe.walk(1, 'file').walk(2, 'dir')
    const found = (fid: number, dfid: number, name: string): number =>
      probe.errnoOf('rename', { fid, dfid, name })
    expect(found(2, 1, 'new')).toBe(errno.ENOTDIR)
    expect(found(1, 2, '..')).toBe(errno.EINVAL)
    expect(found(1, 2, 'a/b')).toBe(errno.EINVAL)
    expect(found(0, 2, 'new')).toBe(errno.EBUSY)
    expect(found(1, 9, 'new')).toBe(errno.EBADF)
    expect(tree.calls.filter((call) => call.startsWith('rename'))).toEqual([])
    expectClean()
  })
})

describe('Tmknod', () => {
  it('hands on what is to be made', () => {
    probe.call('mknod', { dfid: 0, name: 'n', mode: 0o644, major: 1, minor: 2, gid: 0 })
    expect(tree.calls.at(-1)).toBe('mknod n 420 1 2')
    probe.walk(1, 'file')
    const asked = { dfid: 0, name: 'n', mode: 0, major: 0, minor: 0, gid: 0 }
    expect(probe.errnoOf('mknod', { ...asked, name: '..' })).toBe(errno.EINVAL)
    expect(probe.errnoOf('mknod', { ...asked, dfid: 1 })).toBe(errno.ENOTDIR)
  })
})

describe('authentication', () => {
  it('is answered ENOENT: it is not needed', () => {
    expect(probe.errnoOf('auth', { afid: 5, uname: 'root', aname: '', uid: 0 })).toBe(errno.ENOENT)
    expect(probe.errnoOf('clunk', { fid: 5 })).toBe(errno.EBADF)
  })

  it('is refused in an attach', () => {
    const asked = { fid: 5, uname: '', aname: '', uid: 0 }
    expect(probe.errnoOf('attach', { ...asked, afid: 0 })).toBe(errno.EBADF)
    expect(probe.errnoOf('clunk', { fid: 5 })).toBe(errno.EBADF)
    probe.call('attach', { ...asked, afid: limits.NOFID })
  })
})
