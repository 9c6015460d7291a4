import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { limits, messages, type MessageName } from '../../src/9p/index.ts'
import type { KindName } from '../../src/9p/wire/kinds.ts'
import { defaultLimits } from '../../src/session/session-limits.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { memoryOf } from '../support/frames.ts'
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
    expect(nameOf(1)).toBe(tree.root.ino)
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

  it('determines the owner of files that are created through its fids', () => {
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
    const inner = dir.children.get('inner')!
    expect(qids).toEqual([dir, inner].map(({ ino }) => ({ type: 0x80, version: 1, path: ino })))
    expect(nameOf(1)).toBe(inner.ino)
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
    // A new fid of Twalk is not open.
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

  it('is refused at the limit of fids, and works again when one is gone', () => {
    const few = new SessionProbe(tree, 8192, { ...defaultLimits, fids: 2 }).attach()
    few.walk(1, 'dir')
    expect(few.errnoOf('walk', { fid: 0, newfid: 2, names: [] })).toBe(errno.ENFILE)
    // A walk to the fid itself needs no other fid.
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

/** Each field of a request that says which fid it works on. */
const fidFields = Object.entries(messages).flatMap(([name, { T: fields }]) =>
  Object.keys(fields)
    .filter((field) => field.endsWith('fid') && !['newfid', 'afid'].includes(field))
    // The fid of Tattach is a new one.
    .filter(() => name !== 'attach')
    .map((field) => [name as MessageName, field] as const),
)

/** A valid request, in which every fid is that of the root. */
function wholeRequest(name: MessageName): Record<string, unknown> {
  const byKind: Partial<Record<KindName, unknown>> = {
    string: 'x',
    strings: ['x'],
    data: { memory: memoryOf(Buffer.from('x')), offset: 0, length: 1 },
    u64: 1n,
  }
  const fields = Object.entries<KindName>(messages[name].T)
  return Object.fromEntries(fields.map(([field, kind]) => [field, byKind[kind] ?? 0]))
}

describe('every request that names a fid', () => {
  it('is among those that follow', () => {
    const named = new Set<string>(fidFields.map(([name]) => name))
    const others = Object.keys(messages).filter((name) => !named.has(name))
    expect(others.toSorted()).toEqual(['attach', 'auth', 'flush', 'version'])
  })

  it.each(fidFields)(
    'T%s is EBADF for a %s that stands for nothing, or is NOFID',
    (name, field) => {
      const calls = tree.calls.length
      for (const fid of [77, limits.NOFID]) {
        const request = { ...wholeRequest(name), [field]: fid, newfid: 78 }
        expect([fid, probe.errnoOf(name, request as never)]).toEqual([fid, errno.EBADF])
      }
      expect(tree.calls.slice(calls)).toEqual([])
      expect(stands(78)).toBe(false)
      expect([tree.uses, tree.faults]).toEqual([1, []])
    },
  )

  it.each(['walk', 'xattrwalk', 'attach'] as const)('T%s refuses NOFID as a new fid', (name) => {
    const field = name === 'attach' ? 'fid' : 'newfid'
    const request = { ...wholeRequest(name), afid: limits.NOFID, [field]: limits.NOFID }
    expect(probe.errnoOf(name, request as never)).toBe(errno.EINVAL)
    expect(stands(limits.NOFID)).toBe(false)
    expect([tree.uses, tree.faults]).toEqual([1, []])
  })
})
