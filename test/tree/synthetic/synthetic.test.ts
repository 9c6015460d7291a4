import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../../src/sys/errno.ts'
import { flags, limits, payloadBytes, readDirent, Reader } from '../../../src/9p/index.ts'
import { Deferred } from '../../../src/tree/deferred.ts'
import {
  constantFile,
  directory,
  type SyntheticDirectory,
  type SyntheticHandle,
} from '../../../src/tree/synthetic/entry.ts'
import { SyntheticTree } from '../../../src/tree/synthetic/synthetic-tree.ts'
import { memoryOf } from '../../support/frames.ts'
import { fieldsOf, SessionProbe } from '../../support/session-probe.ts'

let root: SyntheticDirectory
let probe: SessionProbe

beforeEach(() => {
  root = directory({
    text: constantFile(() => Buffer.from('some text')),
    sub: directory({ inner: constantFile(() => Buffer.from('inner')) }),
  })
  probe = new SessionProbe(new SyntheticTree(root)).attach()
})

/** A file that answers as this handle does. */
function add(name: string, handle: SyntheticHandle): void {
  root.entries.set(name, { kind: 'file', mode: 0o600, open: () => handle })
}

function read(fid: number, offset: number, count: number): string {
  return payloadBytes(probe.call('read', { fid, offset, count }).data).toString()
}

function write(fid: number, offset: number, text: string): number {
  const data = { memory: memoryOf(Buffer.from(text)), offset: 0, length: text.length }
  return probe.call('write', { fid, offset, data }).count
}

function names(fid: number, offset: bigint, count: number): string[] {
  const bytes = payloadBytes(probe.call('readdir', { fid, offset, count }).data)
  const memory = memoryOf(bytes)
  const from = new Reader(memory).over(memory, 0, bytes.length)
  const found: string[] = []
  while (from.position < from.end) found.push(readDirent(from).name)
  return found
}

describe('a synthetic tree', () => {
  it('has directories and files, each with a qid of its own', () => {
    probe.walk(1, 'text').walk(2, 'sub').walk(3, 'sub/inner')
    const stats = [0, 1, 2, 3].map((fid) => probe.call('getattr', { fid, mask: 0x7ff }))
    expect(stats.map(({ mode }) => mode.toString(8))).toEqual([
      '40555',
      '100444',
      '40555',
      '100444',
    ])
    expect(new Set(stats.map(({ qid }) => qid.path)).size).toBe(4)
    expect(stats.map(({ qid }) => qid.version)).toEqual([1, 0, 1, 0])
    const { qids } = probe.call('walk', { fid: 3, newfid: 4, names: ['..', '..', '..'] })
    expect(qids.map(({ path }) => path)).toEqual([2, 0, 0].map((fid) => stats[fid]!.qid.path))
    expect(probe.errnoOf('walk', { fid: 0, newfid: 5, names: ['missing'] })).toBe(errno.ENOENT)
    expect(probe.errnoOf('walk', { fid: 1, newfid: 5, names: ['x'] })).toBe(errno.ENOTDIR)
  })

  it('reads what the function says, anew for every open', () => {
    let opens = 0
    root.entries.set(
      'count',
      constantFile(() => Buffer.from(`opened ${++opens} times`)),
    )
    probe.walk(1, 'count').open(1).walk(2, 'count').open(2)
    expect([read(1, 0, 100), read(2, 0, 100)]).toEqual(['opened 1 times', 'opened 2 times'])
    expect([read(1, 7, 1), read(1, 100, 5), read(1, 14, 5)]).toEqual(['1', '', ''])
  })

  it('hands writes and their offsets over, and says how much was taken', () => {
    const written: string[] = []
    add('sink', {
      write(offset, bytes) {
        written.push(`${offset} ${Buffer.from(bytes).toString()}`)
        return bytes.length - 1
      },
    })
    probe.walk(1, 'sink').open(1, 1)
    expect([write(1, 0, 'hello'), write(1, 4, 'there')]).toEqual([4, 4])
    expect(written).toEqual(['0 hello', '4 there'])
  })

  it('refuses what a handle does not do', () => {
    add('nothing', {})
    probe.walk(1, 'nothing').open(1, 2)
    expect(probe.errnoOf('read', { fid: 1, offset: 0, count: 1 })).toBe(errno.EACCES)
    const data = { memory: memoryOf(Buffer.from('x')), offset: 0, length: 1 }
    expect(probe.errnoOf('write', { fid: 1, offset: 0, data })).toBe(errno.EACCES)
  })

  it('closes each handle once', () => {
    let closed = 0
    add('file', { close: () => closed++ })
    probe.walk(1, 'file').open(1).walk(2, 'file').open(2)
    probe.call('clunk', { fid: 1 })
    expect(closed).toBe(1)
    probe.session.close()
    expect(closed).toBe(2)
  })

  it('may answer later', () => {
    const parkedRead = new Deferred<Uint8Array>()
    const parkedWrite = new Deferred<number>()
    add('later', { read: () => parkedRead, write: () => parkedWrite })
    probe.walk(1, 'later').open(1, 2)
    probe.send(1, 'read', { fid: 1, offset: 0, count: 5 })
    const data = { memory: memoryOf(Buffer.from('four')), offset: 0, length: 4 }
    probe.send(2, 'write', { fid: 1, offset: 0, data })
    expect(probe.replies).toEqual([])
    parkedWrite.resolve(4)
    parkedRead.resolve(Buffer.from('longer than asked'))
    expect(probe.replies.map(({ tag }) => tag)).toEqual([2, 1])
    expect(fieldsOf('write', probe.replies[0]!)).toEqual({ count: 4 })
    expect(payloadBytes(fieldsOf('read', probe.replies[1]!).data).toString()).toBe('longe')
  })

  it('gives no more than was asked for', () => {
    add('generous', { read: () => Buffer.alloc(10_000, 'x') })
    probe.walk(1, 'generous').open(1)
    expect(read(1, 0, 5)).toBe('xxxxx')
    expect(read(1, 0, 1 << 20)).toHaveLength(8192 - limits.IO_HEADER_BYTES)
    expect(probe.log).toEqual([])
  })

  it('lists its entries, and goes on from any of them', () => {
    probe.open(0)
    expect(names(0, 0n, 1000).filter((name) => !/^\.\.?$/.test(name))).toEqual(['text', 'sub'])
    const one = names(0, 0n, 30)
    expect(one).toHaveLength(1)
    expect([...one, ...names(0, 1n, 1000)]).toEqual(names(0, 0n, 1000))
    expect(names(0, 100n, 1000)).toEqual([])
  })

  it('changes while it is served', () => {
    probe.walk(1, 'text')
    root.entries.delete('text')
    root.entries.set('new', directory())
    probe.walk(2, 'new')
    expect(probe.errnoOf('walk', { fid: 0, newfid: 3, names: ['text'] })).toBe(errno.ENOENT)
    // Who has walked there already still has it.
    probe.open(1)
    expect(read(1, 0, 4)).toBe('some')
  })

  it('takes no change of names, and attributes without effect', () => {
    const name = 'x'
    probe.walk(1, 'text')
    expect([
      probe.errnoOf('mkdir', { dfid: 0, name, mode: 0, gid: 0 }),
      probe.errnoOf('symlink', { dfid: 0, name, symtgt: 't', gid: 0 }),
      probe.errnoOf('link', { dfid: 0, fid: 1, name }),
      probe.errnoOf('lcreate', { fid: 0, name, flags: 1, mode: 0, gid: 0 }),
      probe.errnoOf('renameat', { olddirfid: 0, oldname: 'text', newdirfid: 0, newname: name }),
      probe.errnoOf('unlinkat', { dirfid: 0, name: 'text', flags: 0 }),
      probe.errnoOf('mknod', { dfid: 0, name, mode: 0o10644, major: 0, minor: 0, gid: 0 }),
      probe.errnoOf('rename', { fid: 1, dfid: 0, name }),
    ]).toEqual(Array.from({ length: 8 }, () => errno.EPERM))
    const times = { atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0 }
    const changes = { valid: flags.setattr.SIZE, mode: 0, uid: 0, gid: 0, size: 0, ...times }
    probe.call('setattr', { fid: 1, ...changes })
    expect(probe.errnoOf('readlink', { fid: 1 })).toBe(errno.EINVAL)
    expect(probe.errnoOf('lopen', { fid: 0, flags: 1 })).toBe(errno.EISDIR)
    expect(probe.call('statfs', { fid: 0 }).type).toBe(0x01021997)
    probe.open(1)
    expect(read(1, 0, 100)).toBe('some text')
  })
  it('has no extended attributes and no locks', () => {
    probe.walk(1, 'text').walk(2, 'text')
    expect(probe.errnoOf('remove', { fid: 2 })).toBe(errno.EPERM)
    const set = (fid: number, size: bigint, with_: number): number => {
      probe.walk(fid, 'text')
      probe.call('xattrcreate', { fid, name: 'user.x', size, flags: with_ })
      return probe.errnoOf('clunk', { fid })
    }
    probe.open(1)
    const range = { start: 0n, length: 0n, procId: 1, clientId: '' }
    expect([
      probe.errnoOf('xattrwalk', { fid: 1, newfid: 3, name: '' }),
      probe.errnoOf('xattrwalk', { fid: 1, newfid: 3, name: 'user.x' }),
      set(4, 0n, 0),
      set(4, 0n, flags.xattr.REPLACE),
      probe.errnoOf('lock', { fid: 1, type: flags.lock.WRLCK, flags: 0, ...range }),
      probe.errnoOf('lock', { fid: 1, type: flags.lock.UNLCK, flags: 0, ...range }),
      probe.errnoOf('getlock', { fid: 1, type: flags.lock.WRLCK, ...range }),
    ]).toEqual(Array.from({ length: 7 }, () => errno.EOPNOTSUPP))
  })
})
