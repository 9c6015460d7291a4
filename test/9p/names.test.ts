import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { SessionProbe } from '../support/session-probe.ts'

let tree: FakeTree
let probe: SessionProbe

beforeEach(() => {
  tree = new FakeTree()
  probe = new SessionProbe(tree).attach()
  probe.walk(1, 'dir').walk(2, 'file')
  tree.calls.length = 0
})

/** The errno of every request that takes a name, for this name. */
function withName(name: string): Record<string, number> {
  const lcreate = { fid: 1, name, flags: 0, mode: 0o600, gid: 0 }
  return {
    lcreate: probe.errnoOf('lcreate', lcreate),
    symlink: probe.errnoOf('symlink', { dfid: 1, name, symtgt: 't', gid: 0 }),
    link: probe.errnoOf('link', { dfid: 1, fid: 2, name }),
    mkdir: probe.errnoOf('mkdir', { dfid: 1, name, mode: 0, gid: 0 }),
    'renameat from': probe.errnoOf('renameat', {
      olddirfid: 1,
      oldname: name,
      newdirfid: 1,
      newname: 'x',
    }),
    'renameat to': probe.errnoOf('renameat', {
      olddirfid: 1,
      oldname: 'x',
      newdirfid: 1,
      newname: name,
    }),
    mknod: probe.errnoOf('mknod', { dfid: 1, name, mode: 0, major: 0, minor: 0, gid: 0 }),
    rename: probe.errnoOf('rename', { fid: 2, dfid: 1, name }),
    unlinkat: probe.errnoOf('unlinkat', { dirfid: 1, name, flags: 0 }),
    'unlinkat of a directory': probe.errnoOf('unlinkat', { dirfid: 1, name, flags: 0x200 }),
  }
}

describe('an invalid name', () => {
  const bad: [string, number][] = [
    ['', errno.EINVAL],
    ['.', errno.EINVAL],
    ['..', errno.EINVAL],
    ['/', errno.EINVAL],
    ['a/b', errno.EINVAL],
    ['../x', errno.EINVAL],
    ['x/', errno.EINVAL],
    ['\0', errno.EINVAL],
    ['a\0b', errno.EINVAL],
    ['x'.repeat(256), errno.ENAMETOOLONG],
    ['x'.repeat(4000), errno.ENAMETOOLONG],
  ]

  it.each(bad)('%j never reaches the tree', (name, expected) => {
    const answers = withName(name)
    expect(answers).toEqual(Object.fromEntries(Object.keys(answers).map((key) => [key, expected])))
    expect(tree.calls).toEqual([])
  })

  it.each(bad.filter(([name]) => name !== '..'))(
    '%j is refused as a step of a walk',
    (name, expected) => {
      expect(probe.errnoOf('walk', { fid: 1, newfid: 3, names: [name] })).toBe(expected)
      expect(tree.calls).toEqual([])
      const { qids } = probe.call('walk', { fid: 0, newfid: 3, names: ['dir', name] })
      expect(qids.length).toBe(1)
      expect(tree.calls).toEqual(['lookup dir'])
    },
  )
})

describe('a valid name', () => {
  it.each(['x'.repeat(255), '...', '.x', ' ', '\u00ff\u00fe', '-rf', 'a\\b', '*', '\n'])(
    '%j reaches the tree as it is',
    (name) => {
      probe.call('mkdir', { dfid: 1, name, mode: 0, gid: 0 })
      expect(tree.calls).toEqual([`mkdir ${name} 0 0 0`])
      expect(probe.call('walk', { fid: 1, newfid: 3, names: [name] }).qids.length).toBe(1)
    },
  )
})

describe('the target of a symlink', () => {
  const symlink = (symtgt: string): number =>
    probe.errnoOf('symlink', { dfid: 1, name: 'x', symtgt, gid: 0 })

  it('may be any path', () => {
    for (const target of ['/', '../../etc', '.', 'a//b', '\u00ff', 'x'.repeat(4095)]) {
      expect(symlink(target)).toBe(0)
      expect(tree.calls.pop()).toBe(`symlink x ${target}`)
    }
  })

  it('is neither empty nor has a NUL nor is longer than a path', () => {
    expect(symlink('')).not.toBe(0)
    expect(symlink('a\0b')).toBe(errno.EINVAL)
    expect(symlink('x'.repeat(4096))).toBe(errno.ENAMETOOLONG)
    expect(tree.calls).toEqual([])
  })
})
