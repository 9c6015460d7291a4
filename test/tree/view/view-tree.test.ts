import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../../src/sys/errno.ts'
import { readDirent, Reader, payloadBytes } from '../../../src/9p/index.ts'
import type { ViewPatterns } from '../../../src/tree/view/sight.ts'
import { viewOf, ViewTree } from '../../../src/tree/view/view-tree.ts'
import { namesOf } from '../../../src/tree/groups.ts'
import type { OpenDirectory } from '../../../src/tree/tree.ts'
import { constantFile, directory } from '../../../src/tree/synthetic/entry.ts'
import { SyntheticTree } from '../../../src/tree/synthetic/synthetic-tree.ts'
import { errnoOf } from '../../support/errors.ts'
import { FakeTree } from '../../support/fake-tree.ts'
import { memoryOf } from '../../support/frames.ts'
import { SessionProbe } from '../../support/session-probe.ts'

let fake: FakeTree
let probe: SessionProbe

beforeEach(() => {
  fake = new FakeTree()
})

function view(patterns: ViewPatterns): void {
  probe = new SessionProbe(new ViewTree(fake, patterns)).attach()
}

function expectClean(): void {
  probe.session.close()
  expect([fake.uses, fake.openFiles, fake.faults]).toEqual([0, 0, []])
}

function walk(...names: readonly string[]): number {
  const found = probe.errnoOf('walk', { fid: 0, newfid: 99, names })
  if (found === 0) probe.errnoOf('clunk', { fid: 99 })
  return found
}

/** What the tree below was asked to do, but for finding things. */
function changes(): string[] {
  return fake.calls.filter((call) => !/^(lookup|attach|open) /.test(call))
}

/** All names that one Treaddir after another gives, `count` bytes at most each time. */
function listed(fid: number, count: number): string[] {
  const found: string[] = []
  for (let offset = 0n; ;) {
    const bytes = payloadBytes(probe.call('readdir', { fid, offset, count }).data)
    if (bytes.length === 0) return found
    const memory = memoryOf(bytes)
    const from = new Reader(memory).over(memory, 0, bytes.length)
    while (from.position < from.end) {
      const entry = readDirent(from)
      found.push(entry.name)
      offset = entry.offset
    }
  }
}

describe('a view of a tree', () => {
  it('lists and finds what is shown, and nothing else', () => {
    view({ only: ['dir/inner', 'file', 'link'], hide: ['link'] })
    probe.open(0)
    expect(listed(0, 4096)).toEqual(['file', 'dir'])
    const paths = [['file'], ['dir'], ['dir', 'inner']]
    expect(paths.map((path) => walk(...path))).toEqual([0, 0, 0])
    expect(['big', 'link', 'nothing'].map((name) => walk(name))).toEqual(
      Array(3).fill(errno.ENOENT),
    )
    // The view has not asked the tree below for them.
    expect(fake.calls.filter((call) => /big|link|nothing/.test(call))).toEqual([])
    expectClean()
  })

  it('ends a walk at what is hidden', () => {
    view({ hide: ['dir/inner'] })
    const { qids } = probe.call('walk', { fid: 0, newfid: 1, names: ['dir', 'inner', 'x'] })
    expect(qids.length).toBe(1)
    expect(probe.errnoOf('clunk', { fid: 1 })).toBe(errno.EBADF)
    expect(walk('dir', '..', 'dir', '..', '..', 'file')).toBe(0)
    expect(fake.calls).not.toContain('lookup inner')
    expectClean()
  })

  it('shows a place that only leads to others if it is a directory', () => {
    view({ only: ['file/x', 'dir/x', 'link/x'] })
    expect([walk('file'), walk('link'), walk('dir')]).toEqual([errno.ENOENT, errno.ENOENT, 0])
    probe.open(0)
    expect(listed(0, 4096)).toEqual(['dir'])
    const absent = { dirfid: 0, name: 'file', flags: 0 }
    expect(probe.errnoOf('unlinkat', absent)).toBe(errno.ENOENT)
    const renamed = { olddirfid: 0, oldname: 'file', newdirfid: 0, newname: 'dir' }
    expect(probe.errnoOf('renameat', renamed)).toBe(errno.ENOENT)
    expect(changes()).toEqual([])
    expectClean()
  })

  it('lets no file get a hidden name', () => {
    view({ only: ['file', 'dir', 'a/b'], hide: ['dir/no'] })
    const refused = (fid: number, name: string): number[] => {
      probe.walk(1, 'file').call('walk', { fid, newfid: 2, names: [] })
      const found = [
        probe.errnoOf('lcreate', { fid: 2, name, flags: 2, mode: 0o644, gid: 0 }),
        probe.errnoOf('mknod', { dfid: fid, name, mode: 0, major: 0, minor: 0, gid: 0 }),
        probe.errnoOf('symlink', { dfid: fid, name, symtgt: 'x', gid: 0 }),
        probe.errnoOf('link', { dfid: fid, fid: 1, name }),
        probe.errnoOf('rename', { fid: 1, dfid: fid, name }),
        probe.errnoOf('renameat', { olddirfid: 0, oldname: 'file', newdirfid: fid, newname: name }),
        probe.errnoOf('mkdir', { dfid: fid, name, mode: 0o755, gid: 0 }),
      ]
      for (const each of [1, 2]) probe.call('clunk', { fid: each })
      return found
    }
    probe.walk(3, 'dir')
    expect(refused(3, 'no')).toEqual(Array(7).fill(errno.EPERM))
    expect(refused(0, 'no')).toEqual(Array(7).fill(errno.EPERM))
    expect(changes()).toEqual([])
    // A directory may be where one may lead on.
    expect(refused(0, 'a')).toEqual([...Array<number>(6).fill(errno.EPERM), 0])
    expect(changes()).toEqual(['mkdir a 493 0 0'])
    for (const fid of [0, 3]) {
      for (const flags of [0, 0x200]) {
        expect(probe.errnoOf('unlinkat', { dirfid: fid, name: 'no', flags })).toBe(errno.ENOENT)
      }
      const moved = { olddirfid: fid, oldname: 'no', newdirfid: 3, newname: 'yes' }
      expect(probe.errnoOf('renameat', moved)).toBe(errno.ENOENT)
    }
    expect(changes().length).toBe(1)
    expectClean()
  })

  it('hands on all that is shown', () => {
    view({ only: ['file', 'dir', 'a'], hide: ['hidden'] })
    probe.walk(1, 'file').walk(2, 'dir').walk(3, 'dir')
    const owned = { mode: 0o644, gid: 5 }
    probe.call('lcreate', { fid: 3, name: 'new', flags: 2, ...owned })
    probe.call('mkdir', { dfid: 2, name: 'd', ...owned })
    probe.call('mknod', { dfid: 2, name: 'n', major: 1, minor: 2, ...owned })
    probe.call('symlink', { dfid: 2, name: 's', symtgt: 't', gid: 5 })
    probe.call('link', { dfid: 2, fid: 1, name: 'l' })
    probe.call('rename', { fid: 1, dfid: 2, name: 'a' })
    probe.call('renameat', { olddirfid: 2, oldname: 'inner', newdirfid: 0, newname: 'a' })
    probe.call('unlinkat', { dirfid: 2, name: 'inner', flags: 0x200 })
    probe.call('remove', { fid: 1 })
    expect(changes()).toEqual([
      'create new 2',
      'mkdir d 420 0 5',
      'mknod n 420 1 2',
      'symlink s t',
      'link file l',
      'rename file dir a',
      'rename inner  a',
      'unlink inner directory',
      'unlink file file',
    ])
    expectClean()
  })

  it('asks the tree below for everything about what is shown', () => {
    view({ only: ['dir', 'link', 'file'], hide: ['dir/x'] })
    probe.walk(1, 'dir').open(1).walk(2, 'link').walk(3, 'file').open(3).walk(4, 'file')
    probe.call('getattr', { fid: 1, mask: 7 })
    probe.call('statfs', { fid: 1 })
    expect(probe.call('readlink', { fid: 2 })).toEqual({ target: 'target' })
    const none = { mode: 0, uid: 0, gid: 0, size: 0 }
    const times = { atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0 }
    probe.call('setattr', { fid: 1, valid: 1, ...none, ...times })
    probe.call('fsync', { fid: 1, datasync: 1 })
    expect(payloadBytes(probe.call('read', { fid: 3, offset: 0, count: 9 }).data).toString()).toBe(
      'hello',
    )
    probe.call('xattrcreate', { fid: 4, name: 'user.a', size: 0n, flags: 0 })
    probe.call('clunk', { fid: 4 })
    probe.call('xattrwalk', { fid: 3, newfid: 4, name: 'user.a' })
    probe.call('xattrwalk', { fid: 3, newfid: 5, name: '' })
    expect(changes()).toEqual([
      'getattr',
      'statfs',
      'readlink',
      'setattr mode open',
      'fdatasync',
      'read 0 9',
      'setXattr user.a 0',
      'getXattr user.a',
      'listXattrs',
    ])
    expectClean()
  })

  it('opens a directory that exists on create, and hides what is hidden in it', () => {
    const dir = fake.root.children.get('dir')!
    fake.root.create = () => {
      dir.retain()
      return { node: dir, file: dir.open(0) }
    }
    view({ hide: ['dir/inner'] })
    probe.call('lcreate', { fid: 0, name: 'dir', flags: 0, mode: 0, gid: 0 })
    expect(listed(0, 4096)).toEqual([])
    expect(probe.errnoOf('walk', { fid: 0, newfid: 1, names: ['inner'] })).toBe(errno.ENOENT)
    expectClean()
  })

  it('refuses nodes of other trees', () => {
    const tree = new ViewTree(fake, { hide: ['x'] })
    const others = [new ViewTree(fake, { hide: ['x'] }), fake]
    const { node: root } = tree.attach('')
    for (const other of others) {
      const { node } = other.attach('')
      expect(errnoOf(() => namesOf(root).link(node, 'y'))).toBe(errno.EXDEV)
      expect(errnoOf(() => namesOf(root).rename('file', node, 'y'))).toBe(errno.EXDEV)
    }
    expect(changes()).toEqual([])
  })

  it('releases each node that it has looked up, also after a failure', () => {
    view({ only: ['file/x', 'dir/inner', 'missing'] })
    probe.walk(1, 'dir').walk(2, 'dir/inner')
    expect(
      probe.errnoOf('attach', { fid: 9, afid: ~0 >>> 0, uname: '', aname: 'missing', uid: 0 }),
    ).toBe(errno.ENOENT)
    expect(walk('missing')).toBe(errno.ENOENT)
    expect(walk('file')).toBe(errno.ENOENT)
    const moved = { olddirfid: 0, oldname: 'dir', newdirfid: 1, newname: 'inner' }
    expect(probe.errnoOf('renameat', moved)).toBe(errno.EXDEV)
    expect(probe.errnoOf('remove', { fid: 0 })).toBe(errno.EBUSY)
    expectClean()
  })

  it('is closed with the tree below and as read-only', () => {
    let closed = 0
    fake.close = () => closed++
    const tree = new ViewTree(fake, { only: ['x'] })
    expect(tree.readOnly).toBe(false)
    fake.readOnly = true
    expect(tree.readOnly).toBe(true)
    tree.close()
    expect(closed).toBe(1)
  })

  it('is the tree itself without patterns', () => {
    expect(viewOf(fake, {})).toBe(fake)
    expect(viewOf(fake, { hide: [] })).toBe(fake)
    expect(viewOf(fake, { only: [] })).not.toBe(fake)
    expect(viewOf(fake, { hide: ['x'] })).not.toBe(fake)
  })
})

describe('the entries of a view', () => {
  /** A directory of `count` names that are hidden, and the given ones, each behind `before` of them. */
  function crowd(count: number, visible: readonly string[], before: number): void {
    for (let i = 0; i < count; i++) {
      const name = i % before === 0 ? visible[i / before - 1] : undefined
      if (name !== undefined)
        fake.root.add(
          name,
          fake.file(name, () => 0),
        )
      const hidden = `hidden-${i}-${'x'.repeat(i % 200)}`
      fake.root.add(
        hidden,
        fake.file(hidden, () => 0),
      )
    }
    view({ only: visible })
    probe.open(0)
  }

  it.each([40, 300, 8000])('are found among 10000 hidden ones, %i bytes at a time', (count) => {
    const visible = Array.from({ length: 7 }, (_, i) => `v${i}`)
    crowd(10_000, visible, 1200)
    expect(listed(0, count)).toEqual(visible)
  })

  it('take few requests to the tree below, however little fits into an answer', () => {
    const open = fake.root.open.bind(fake.root)
    let looks = 0
    fake.root.open = (flags) => {
      const opened = open(flags) as OpenDirectory
      return {
        ...opened,
        readdir(cookie, visitor) {
          looks++
          opened.readdir(cookie, visitor)
        },
      }
    }
    crowd(10_000, ['last'], 9999)
    expect(listed(0, 40)).toEqual(['last'])
    // One for each answer; the tree below reads ahead by itself.
    expect(looks).toBe(2)
  })

  it.each([25 + 255, 700, 8000])(
    'are all there, however many fit into an answer: %i bytes',
    (count) => {
      const visible = Array.from({ length: 300 }, (_, i) => `${i}${'v'.repeat((i * 7) % 250)}`)
      crowd(1000, visible, 3)
      expect(listed(0, count)).toEqual(visible)
    },
  )

  it('are EINVAL where not even one fits, and none at the end', () => {
    crowd(100, ['visible'], 50)
    for (const count of [0, 24, 24 + 6]) {
      expect(probe.errnoOf('readdir', { fid: 0, offset: 0n, count })).toBe(errno.EINVAL)
    }
    expect(listed(0, 24 + 7)).toEqual(['visible'])
    // Behind the last one that is shown there are 50 more.
    const { data } = probe.call('readdir', { fid: 0, offset: 80n, count: 0 })
    expect(data.length).toBe(0)
  })

  it('are those of any tree', () => {
    const file = constantFile(() => Buffer.from('x'))
    const tree = new SyntheticTree(directory({ a: file, b: file, d: directory({ a: file }) }))
    probe = new SessionProbe(new ViewTree(tree, { hide: ['**/a'] })).attach()
    probe.walk(1, 'd').walk(2, 'd').open(0).open(1)
    expect([listed(0, 100), listed(1, 100)]).toEqual([['b', 'd'], []])
    probe.call('walk', { fid: 2, newfid: 3, names: ['..', 'b'] })
    probe.open(3)
  })
})
