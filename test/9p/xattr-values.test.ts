import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { flags, payloadBytes } from '../../src/9p/index.ts'
import { defaultLimits } from '../../src/session/session-limits.ts'
import { FakeTree, type FakeNode } from '../support/fake-tree.ts'
import { memoryOf } from '../support/frames.ts'
import { SessionProbe } from '../support/session-probe.ts'

const { CREATE, REPLACE } = flags.xattr

let tree: FakeTree
let probe: SessionProbe
let file: FakeNode

beforeEach(() => {
  tree = new FakeTree()
  probe = new SessionProbe(tree).attach().walk(1, 'file')
  file = tree.root.children.get('file')!
  file.xattrValues.set('user.one', Buffer.from('the value'))
  file.xattrValues.set('user.two', Buffer.alloc(0))
})

function read(fid: number, offset = 0, count = 100): string {
  return payloadBytes(probe.call('read', { fid, offset, count }).data).toString()
}

function data(text: string): { memory: ReturnType<typeof memoryOf>; offset: 0; length: number } {
  return { memory: memoryOf(Buffer.from(text)), offset: 0, length: text.length }
}

function write(fid: number, text: string, offset = 0): number {
  return probe.errnoOf('write', { fid, offset, data: data(text) })
}

function walk(name: string, newfid = 2): number {
  return probe.call('xattrwalk', { fid: 1, newfid, name }).size
}

function create(name: string, size: number | bigint, with_ = 0): void {
  probe.call('xattrcreate', { fid: 1, name, size: BigInt(size), flags: with_ })
}

/** A fid of an attribute leaves nothing behind. */
function expectClean(): void {
  probe.session.close()
  expect([tree.uses, tree.openFiles, tree.faults]).toEqual([0, 0, []])
  // Every byte was given back.
  expect(() => probe.session.xattrMemory.take(defaultLimits.xattrBytes)).not.toThrow()
}

describe('Txattrwalk', () => {
  it('makes a fid whose reads are the value', () => {
    expect(walk('user.one')).toBe(9)
    expect([read(2), read(2, 4), read(2, 4, 3), read(2, 9), read(2, 2 ** 50)]).toEqual([
      'the value',
      'value',
      'val',
      '',
      '',
    ])
    probe.call('clunk', { fid: 2 })
    expect(probe.errnoOf('read', { fid: 2, offset: 0, count: 1 })).toBe(errno.EBADF)
    expectClean()
  })

  it('with an empty name lists the names, each with a NUL behind it', () => {
    expect(walk('')).toBe(18)
    expect(read(2)).toBe('user.one\0user.two\0')
  })

  it('may find an empty value', () => {
    expect([walk('user.two'), read(2)]).toEqual([0, ''])
  })

  it('reads what was there when it was asked, also in pieces as small as msize', () => {
    const long = Buffer.alloc(65536, 'long')
    file.xattrValues.set('user.long', long)
    expect(walk('user.long')).toBe(65536)
    file.xattrValues.delete('user.long')
    let all = ''
    for (let part = ' '; part !== ''; all += part) part = read(2, all.length, 0xffff_ffff)
    expect(all).toBe(long.toString())
  })

  it('is refused for names that no xattr can have', () => {
    const found = (name: string): number => probe.errnoOf('xattrwalk', { fid: 1, newfid: 2, name })
    expect(found('user.none')).toBe(errno.ENODATA)
    expect(found(`user.${'x'.repeat(251)}`)).toBe(errno.ERANGE)
    expect(found('user.\0')).toBe(errno.EINVAL)
    expect(tree.calls.filter((call) => call.startsWith('getXattr'))).toEqual(['getXattr user.none'])
  })

  it('needs a free newfid and a fid of a file', () => {
    const found = (fid: number, newfid: number): number =>
      probe.errnoOf('xattrwalk', { fid, newfid, name: '' })
    expect(found(1, 1)).toBe(errno.EINVAL)
    expect(found(1, 0)).toBe(errno.EINVAL)
    expect(found(1, 0xffff_ffff)).toBe(errno.EINVAL)
    expect(found(9, 2)).toBe(errno.EBADF)
    walk('user.one')
    expect(found(2, 3)).toBe(errno.EBADF)
    expectClean()
  })

  it('works on an open fid, which stays as it is', () => {
    probe.open(1)
    walk('user.one')
    expect(read(1, 0, 5)).toBe('hello')
  })

  it('outlives the fid that it was asked through', () => {
    walk('user.one')
    probe.call('clunk', { fid: 1 })
    expect(read(2)).toBe('the value')
    expectClean()
  })

  it('takes no writes', () => {
    walk('user.one')
    expect(write(2, 'x')).toBe(errno.EBADF)
  })
})

describe('Txattrcreate', () => {
  it('collects the value, which is set when the fid is clunked', () => {
    create('user.new', 10, CREATE)
    expect([write(1, 'first '), write(1, 'last', 6)]).toEqual([0, 0])
    expect(file.xattrValues.has('user.new')).toBe(false)
    probe.call('clunk', { fid: 1 })
    expect(tree.calls.at(-1)).toBe('setXattr user.new 1')
    expect(Buffer.from(file.xattrValues.get('user.new')!).toString()).toBe('first last')
    expect(probe.errnoOf('getattr', { fid: 1, mask: 0 })).toBe(errno.EBADF)
    expectClean()
  })

  it('removes with no bytes and XATTR_REPLACE, and sets an empty value otherwise', () => {
    create('user.one', 0, REPLACE)
    probe.call('clunk', { fid: 1 })
    expect(file.xattrValues.has('user.one')).toBe(false)
    for (const [i, with_] of [0, CREATE].entries()) {
      probe.walk(1, 'file')
      create(`user.empty${i}`, 0, with_)
      probe.call('clunk', { fid: 1 })
      expect(file.xattrValues.get(`user.empty${i}`)?.length).toBe(0)
    }
    expectClean()
  })

  it('tells Tclunk what went wrong, and the fid is gone all the same', () => {
    const ends: [string, number, number, number][] = [
      ['user.full', 0, 0, errno.ENOSPC],
      ['user.none', 0, REPLACE, errno.ENODATA],
      ['user.short', 3, 0, errno.EINVAL],
    ]
    for (const [name, size, with_, expected] of ends) {
      probe.walk(5, 'file')
      probe.call('xattrcreate', { fid: 5, name, size: BigInt(size), flags: with_ })
      write(5, 'x'.repeat(Math.max(0, size - 1)))
      expect([name, probe.errnoOf('clunk', { fid: 5 })]).toEqual([name, expected])
      expect(probe.errnoOf('clunk', { fid: 5 })).toBe(errno.EBADF)
      expect(file.xattrValues.has(name)).toBe(false)
    }
    expectClean()
  })

  it('gives nothing to read', () => {
    create('user.new', 4)
    expect(probe.errnoOf('read', { fid: 1, offset: 0, count: 1 })).toBe(errno.EBADF)
  })

  it('takes bytes only in order, and no more than were announced', () => {
    create('user.new', 4)
    expect(write(1, 'x', 1)).toBe(errno.EINVAL)
    expect(write(1, 'five!')).toBe(errno.EINVAL)
    expect(write(1, 'ab')).toBe(0)
    expect(write(1, 'ab')).toBe(errno.EINVAL)
    expect(write(1, 'cde', 2)).toBe(errno.EINVAL)
    expect(write(1, 'x', 2 ** 53 - 1)).toBe(errno.EINVAL)
    expect(write(1, 'cd', 2)).toBe(0)
    expect(write(1, '', 4)).toBe(0)
    expect(write(1, 'x', 4)).toBe(errno.EINVAL)
    probe.call('clunk', { fid: 1 })
    expect(Buffer.from(file.xattrValues.get('user.new')!).toString()).toBe('abcd')
  })

  it('sets nothing when the fid goes otherwise', () => {
    create('user.new', 0)
    expect(probe.errnoOf('remove', { fid: 1 })).toBe(errno.EBADF)
    expect(probe.errnoOf('clunk', { fid: 1 })).toBe(errno.EBADF)
    probe.walk(1, 'file')
    create('user.new', 0)
    expectClean()
    expect(file.xattrValues.has('user.new')).toBe(false)
  })

  it('is refused for invalid sizes, names and flags, and the fid stays', () => {
    const found = (name: string, size: bigint, with_: number): number =>
      probe.errnoOf('xattrcreate', { fid: 1, name, size, flags: with_ })
    for (const size of [65537n, 1n << 32n, 1n << 53n, (1n << 64n) - 1n]) {
      expect(found('user.x', size, 0)).toBe(errno.E2BIG)
    }
    expect(found('', 1n, 0)).toBe(errno.ERANGE)
    expect(found('x'.repeat(256), 1n, 0)).toBe(errno.ERANGE)
    expect(found('user.\0', 1n, 0)).toBe(errno.EINVAL)
    expect(found('user.x', 1n, 4)).toBe(errno.EINVAL)
    probe.call('getattr', { fid: 1, mask: 0 })
    expect(found('user.x', 65536n, 0)).toBe(0)
    expectClean()
  })

  it('needs a fid that is not open and no attribute already', () => {
    probe.open(1)
    const found = (): number =>
      probe.errnoOf('xattrcreate', { fid: 1, name: 'user.x', size: 0n, flags: 0 })
    expect(found()).toBe(errno.EINVAL)
    probe.call('clunk', { fid: 1 })
    probe.walk(1, 'file')
    expect([found(), found()]).toEqual([0, errno.EBADF])
  })

  it('is EROFS on a read-only tree, where attributes can be read', () => {
    tree.readOnly = true
    const asked = { fid: 1, name: 'user.x', size: 0n, flags: 0 }
    expect(probe.errnoOf('xattrcreate', asked)).toBe(errno.EROFS)
    probe.call('getattr', { fid: 1, mask: 0 })
    expect(walk('user.one')).toBe(9)
  })
})

describe('the fid of an attribute', () => {
  const ways = {
    'Txattrwalk’s': () => walk('user.one', 3),
    'Txattrcreate’s': () => {
      probe.walk(3, 'dir')
      probe.call('xattrcreate', { fid: 3, name: 'user.x', size: 1n, flags: 0 })
    },
  }

  it.each(Object.entries(ways))('is EBADF for all other requests: %s', (_which, make) => {
    make()
    const [fid, name, gid] = [3, 'x', 0]
    const times = { atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0 }
    const lock = { fid, type: 0, start: 0n, length: 0n, procId: 1, clientId: '' }
    const answers = {
      walk: probe.errnoOf('walk', { fid, newfid: 9, names: [] }),
      'walk to itself': probe.errnoOf('walk', { fid, newfid: fid, names: [] }),
      getattr: probe.errnoOf('getattr', { fid, mask: 0 }),
      setattr: probe.errnoOf('setattr', { fid, valid: 0, mode: 0, uid: 0, gid, size: 0, ...times }),
      statfs: probe.errnoOf('statfs', { fid }),
      readlink: probe.errnoOf('readlink', { fid }),
      lopen: probe.errnoOf('lopen', { fid, flags: 0 }),
      lcreate: probe.errnoOf('lcreate', { fid, name, flags: 0, mode: 0, gid }),
      readdir: probe.errnoOf('readdir', { fid, offset: 0n, count: 100 }),
      fsync: probe.errnoOf('fsync', { fid, datasync: 0 }),
      mkdir: probe.errnoOf('mkdir', { dfid: fid, name, mode: 0, gid }),
      mknod: probe.errnoOf('mknod', { dfid: fid, name, mode: 0, major: 0, minor: 0, gid }),
      symlink: probe.errnoOf('symlink', { dfid: fid, name, symtgt: 't', gid }),
      link: probe.errnoOf('link', { dfid: 0, fid, name }),
      rename: probe.errnoOf('rename', { fid, dfid: 0, name }),
      renameat: probe.errnoOf('renameat', {
        olddirfid: fid,
        oldname: name,
        newdirfid: 0,
        newname: 'y',
      }),
      unlinkat: probe.errnoOf('unlinkat', { dirfid: fid, name, flags: 0 }),
      xattrwalk: probe.errnoOf('xattrwalk', { fid, newfid: 9, name: '' }),
      xattrcreate: probe.errnoOf('xattrcreate', { fid, name, size: 0n, flags: 0 }),
      lock: probe.errnoOf('lock', { ...lock, flags: 0 }),
      getlock: probe.errnoOf('getlock', lock),
    }
    for (const [request, found] of Object.entries(answers)) {
      expect([request, found]).toEqual([request, errno.EBADF])
    }
    expectClean()
  })
})

describe('a session’s attribute memory', () => {
  it('is limited: beyond it is ENOMEM, and Tclunk frees it', () => {
    probe = new SessionProbe(tree, 8192, { ...defaultLimits, xattrBytes: 1000 }).attach()
    const asked = (fid: number, size: number): number => {
      probe.walk(fid, 'file')
      return probe.errnoOf('xattrcreate', { fid, name: 'user.x', size: BigInt(size), flags: 0 })
    }
    expect(asked(1, 1001)).toBe(errno.ENOMEM)
    expect([asked(2, 600), asked(3, 401), asked(4, 391)]).toEqual([0, errno.ENOMEM, 0])
    // 9 bytes are left, which this value takes.
    const found = (newfid: number): number =>
      probe.errnoOf('xattrwalk', { fid: 1, newfid, name: 'user.one' })
    expect([found(5), found(6)]).toEqual([0, errno.ENOMEM])
    expect(probe.errnoOf('read', { fid: 6, offset: 0, count: 1 })).toBe(errno.EBADF)
    probe.call('clunk', { fid: 5 })
    expect(found(6)).toBe(0)
  })

  it('does not exceed the limit however many are begun at once, and each session has its own', () => {
    const begin = (some: SessionProbe, fid: number): number => {
      some.walk(fid, 'file')
      return some.errnoOf('xattrcreate', { fid, name: 'user.x', size: 65536n, flags: 0 })
    }
    probe = new SessionProbe(tree).attach()
    const before = process.memoryUsage().arrayBuffers
    const answers = Array.from({ length: 1000 }, (_, i) => begin(probe, i + 1))
    const most = defaultLimits.xattrBytes / 65536
    expect(answers.filter((answer) => answer === 0)).toHaveLength(most)
    expect(answers.slice(most)).toEqual(Array.from({ length: 1000 - most }, () => errno.ENOMEM))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * defaultLimits.xattrBytes)
    // One line, however many were refused.
    expect(probe.log).toHaveLength(1)
    expect(begin(new SessionProbe(tree).attach(), 1)).toBe(0)
  })
})
