import { beforeEach, describe, expect, it } from 'vitest'
import { errno, ErrnoError } from '../../src/sys/errno.ts'
import { limits } from '../../src/9p/index.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { memoryOf } from '../support/frames.ts'
import { SessionProbe } from '../support/session-probe.ts'

/** Two trees and a session that is attached to both: `writable` as fid 0, `fixed` as fid 10. */
let writable: FakeTree
let fixed: FakeTree
let probe: SessionProbe

beforeEach(() => {
  writable = new FakeTree()
  fixed = new FakeTree()
  fixed.readOnly = true
  const trees = new Map([
    ['writable', writable],
    ['fixed', fixed],
  ])
  const exports = {
    attach: (aname: string) => {
      const tree = trees.get(aname)
      if (tree === undefined) throw new ErrnoError(errno.ENOENT, 'attach')
      return tree.attach(aname)
    },
  }
  probe = new SessionProbe(exports)
  attach(0, 'writable')
  attach(10, 'fixed')
})

function attach(fid: number, aname: string): void {
  probe.call('attach', { fid, afid: limits.NOFID, uname: '', aname, uid: 0 })
}

function walk(fid: number, newfid: number, ...names: string[]): void {
  expect(probe.call('walk', { fid, newfid, names }).qids).toHaveLength(names.length)
}

const write = { offset: 0, data: { memory: memoryOf(Buffer.from('x')), offset: 0, length: 1 } }

describe('several exports in one session', () => {
  it('are chosen by aname', () => {
    expect(writable.calls).toContain('attach writable')
    expect(fixed.calls).toContain('attach fixed')
    expect(() => attach(20, 'neither')).toThrow(expect.objectContaining({ errno: errno.ENOENT }))
    expect(() => attach(20, '')).toThrow(expect.objectContaining({ errno: errno.ENOENT }))
    attach(20, 'fixed')
  })

  it('are each writable or read-only, for every fid of theirs', () => {
    for (const [start, refused] of [
      [0, 0],
      [10, errno.EROFS],
    ] as const) {
      walk(start, start + 1, 'dir', 'inner')
      walk(start + 1, start + 2, '..', '..', 'file')
      walk(start, start + 3)
      const errnoOf = probe.errnoOf.bind(probe)
      const names = { name: 'new', mode: 0, gid: 0 }
      expect(errnoOf('mkdir', { dfid: start + 1, ...names })).toBe(refused)
      expect(errnoOf('lcreate', { fid: start + 3, ...names, flags: 2 })).toBe(refused)
      // What it has become, or still is.
      expect(errnoOf('lopen', { fid: start + 2, flags: 2 })).toBe(refused)
      for (const fid of [start + 2, start + 3]) {
        expect(errnoOf('write', { fid, ...write })).toBe(refused)
      }
      const rename = { oldname: 'a', newname: 'b', olddirfid: start + 1, newdirfid: start }
      expect(errnoOf('renameat', rename)).toBe(refused)
      expect(errnoOf('link', { dfid: start, fid: start + 2, name: 'c' })).toBe(refused)
    }
    expect(fixed.calls.filter((call) => !/^(attach|lookup) /.test(call))).toEqual([])
  })

  it('have no links or renames from one to the other', () => {
    const other = new FakeTree()
    const exports = { attach: (aname: string) => (aname === 'a' ? writable : other).attach(aname) }
    probe = new SessionProbe(exports)
    attach(0, 'a')
    attach(10, 'b')
    walk(0, 1, 'file')
    walk(10, 11, 'dir')
    const calls = [...writable.calls, ...other.calls]
    const rename = { oldname: 'file', newname: 'file', olddirfid: 0, newdirfid: 11 }
    expect(probe.errnoOf('renameat', rename)).toBe(errno.EXDEV)
    expect(probe.errnoOf('link', { dfid: 11, fid: 1, name: 'x' })).toBe(errno.EXDEV)
    expect([...writable.calls, ...other.calls]).toEqual(calls)
  })

  it('answer EBADF for an unknown fid, and leave no node in use', () => {
    expect(probe.errnoOf('write', { fid: 99, ...write })).toBe(errno.EBADF)
    probe.session.close()
    expect([writable.uses, fixed.uses]).toEqual([0, 0])
    expect([...writable.faults, ...fixed.faults]).toEqual([])
  })
})
