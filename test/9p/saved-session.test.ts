import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { flags, payloadBytes, type Payload } from '../../src/9p/index.ts'
import type { SavedSession } from '../../src/9p/saved-session.ts'
import { Deferred } from '../../src/tree/deferred.ts'
import { constantFile, directory as folder } from '../../src/tree/synthetic/entry.ts'
import { SyntheticTree } from '../../src/tree/synthetic/synthetic-tree.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { memoryOf } from '../support/frames.ts'
import { HostProbe } from '../support/host-probe.ts'
import { memoryFolder } from '../support/memory-folder.ts'
import { fieldsOf, SessionProbe } from '../support/session-probe.ts'
import { afterwards, mountTmpfs, temporaryDirectory } from '../support/temporary.ts'

const { RDONLY, WRONLY, RDWR, APPEND, EXCL, TRUNC } = flags.open
const { RDLCK, WRLCK, BLOCK, SUCCESS, BLOCKED } = flags.lock
const { ESTALE } = errno

let shared: string
let probe: HostProbe

function put(path: string, text = path): void {
  writeFileSync(join(shared, path), text)
}

beforeEach(() => {
  shared = temporaryDirectory()
  mkdirSync(join(shared, 'dir/inner'), { recursive: true })
  for (const path of ['file', 'other', 'dir/a', 'dir/inner/deep']) put(path)
  probe = new HostProbe(shared)
})

interface Wish {
  readonly type?: number
  readonly start?: bigint
  readonly length?: bigint
  readonly procId?: number
  readonly wait?: boolean
}

function lockRequest(fid: number, wish: Wish) {
  const { type = WRLCK, start = 0n, length = 0n, procId = 1, wait = false } = wish
  return { fid, type, flags: wait ? BLOCK : 0, start, length, procId, clientId: 'g' }
}

function lock(on: HostProbe, fid: number, wish: Wish = {}): number {
  return on.call('lock', lockRequest(fid, wish)).status
}

/** The errnos with which all requests that take a fid refuse `fid`. */
function refusals(on: HostProbe, fid: number): Set<number> {
  const data = emptyAt(1)
  const zeros = {
    mode: 0,
    uid: 0,
    gid: 0,
    size: 0,
    atimeSec: 0,
    atimeNsec: 0,
    mtimeSec: 0,
    mtimeNsec: 0,
  }
  const name = 'x'
  return new Set([
    on.errnoOf('statfs', { fid }),
    on.errnoOf('lopen', { fid, flags: 0 }),
    on.errnoOf('lcreate', { fid, name, flags: 0, mode: 0, gid: 0 }),
    on.errnoOf('symlink', { dfid: fid, name, symtgt: name, gid: 0 }),
    on.errnoOf('mknod', { dfid: fid, name, mode: 0o100644, major: 0, minor: 0, gid: 0 }),
    on.errnoOf('rename', { fid, dfid: 0, name }),
    on.errnoOf('rename', { fid: 0, dfid: fid, name }),
    on.errnoOf('readlink', { fid }),
    on.errnoOf('getattr', { fid, mask: 1 }),
    on.errnoOf('setattr', { fid, valid: 1, ...zeros }),
    on.errnoOf('xattrwalk', { fid, newfid: 900, name: 'user.x' }),
    on.errnoOf('xattrcreate', { fid, name: 'user.x', size: 1n, flags: 0 }),
    on.errnoOf('readdir', { fid, offset: 0n, count: 100 }),
    on.errnoOf('fsync', { fid, datasync: 0 }),
    on.errnoOf('lock', lockRequest(fid, {})),
    on.errnoOf('getlock', lockRequest(fid, {})),
    on.errnoOf('link', { dfid: fid, fid: 0, name }),
    on.errnoOf('link', { dfid: 0, fid, name }),
    on.errnoOf('mkdir', { dfid: fid, name, mode: 0, gid: 0 }),
    on.errnoOf('renameat', { olddirfid: fid, oldname: name, newdirfid: 0, newname: name }),
    on.errnoOf('unlinkat', { dirfid: fid, name, flags: 0 }),
    on.errnoOf('walk', { fid, newfid: 901, names: [name] }),
    on.errnoOf('walk', { fid, newfid: 901, names: [] }),
    on.errnoOf('read', { fid, offset: 0, count: 1 }),
    on.errnoOf('write', { fid, offset: 0, data }),
  ])
}

describe('a session that goes on elsewhere', () => {
  it('has its fids, open and not, and goes on with them in either place', () => {
    const idle = probe.fid('dir/inner/deep')
    const open = probe.opened('file', RDWR)
    const directory = probe.fid('dir')
    const there = probe.elsewhere()
    expect(there.read(open).toString()).toBe('file')
    expect(there.write(open, 4, ' and more')).toBe(9)
    expect(probe.read(open).toString()).toBe('file and more')
    there.call('lopen', { fid: idle, flags: RDONLY })
    expect(there.read(idle).toString()).toBe('dir/inner/deep')
    expect(
      there.call('walk', { fid: directory, newfid: 77, names: ['..', 'other'] }).qids,
    ).toHaveLength(2)
    const mask = flags.getattr.BASIC
    for (const fid of [0, idle, open, directory]) {
      expect(there.call('getattr', { fid, mask }).qid.path).toBe(
        probe.call('getattr', { fid, mask }).qid.path,
      )
    }
    expect(there.log).toEqual([])
  })

  it('neither empties nor makes again what was opened with O_TRUNC or made with O_EXCL', () => {
    const made = probe.create('', 'made', 0o644, RDWR | EXCL | TRUNC)
    probe.write(made, 0, 'content')
    const emptied = probe.opened('other', RDWR | TRUNC)
    probe.write(emptied, 0, 'new')
    const there = probe.elsewhere()
    expect([there.read(made), there.read(emptied)].map(String)).toEqual(['content', 'new'])
    expect(there.write(made, 0, 'C')).toBe(1)
    expect(readFileSync(join(shared, 'made'), 'latin1')).toBe('Content')
  })

  it('has a file open the way that it was', () => {
    const append = probe.opened('file', WRONLY | APPEND)
    const read = probe.opened('other', RDONLY)
    const there = probe.elsewhere()
    there.write(append, 0, '+')
    expect(readFileSync(join(shared, 'file'), 'latin1')).toBe('file+')
    expect(there.errnoOf('read', { fid: append, offset: 0, count: 1 })).toBe(errno.EBADF)
    expect(() => there.write(read, 0, 'x')).toThrow(expect.objectContaining({ errno: errno.EBADF }))
  })

  it('goes on in the middle of a directory', () => {
    for (let i = 0; i < 50; i++) put(`dir/${i}`)
    const fid = probe.opened('dir')
    const first = probe.entries(fid, 0n, 600)
    const there = probe.elsewhere()
    const seen = [...first]
    for (let some = first; some.length > 0; seen.push(...some))
      some = there.entries(fid, seen.at(-1)!.offset, 600)
    expect(seen.map(({ name }) => name)).toHaveLength(54)
    expect(new Set(seen.map(({ name }) => name)).size).toBe(54)
  })

  it('knows a file by the name that its client has given it', () => {
    const fid = probe.opened('dir/inner/deep', RDWR)
    const above = probe.fid('dir/inner')
    probe.call('renameat', { olddirfid: 0, oldname: 'dir', newdirfid: 0, newname: 'moved' })
    const inside = probe.fid('moved/inner')
    probe.call('renameat', { olddirfid: inside, oldname: 'deep', newdirfid: 0, newname: 'up' })
    const there = probe.elsewhere()
    expect(there.read(fid).toString()).toBe('dir/inner/deep')
    expect(there.call('walk', { fid: above, newfid: 90, names: [] }).qids).toEqual([])
    expect(there.call('getattr', { fid: above, mask: 1 }).qid.path).toBe(
      BigInt(statSync(join(shared, 'moved/inner')).ino),
    )
  })

  it('may be saved once more, however much of it was used', () => {
    const fids = [probe.opened('file', RDWR), probe.fid('dir/a'), probe.fid('dir/inner/deep')]
    const gone = probe.opened('other')
    unlinkSync(join(shared, 'other'))
    const third = probe.elsewhere().elsewhere().elsewhere()
    expect(third.read(fids[0]!).toString()).toBe('file')
    for (const fid of fids) third.call('getattr', { fid, mask: 1 })
    expect(third.errnoOf('getattr', { fid: gone, mask: 1 })).toBe(ESTALE)
  })

  it('takes no descriptor for a fid that is idle, and gives back all that it took', () => {
    for (let i = 0; i < 200; i++) put(`dir/${i}`)
    for (let i = 0; i < 200; i++) probe.fid(`dir/${i}`)
    const open = probe.opened('dir/7')
    const saved = probe.session.save()
    const before = openDescriptors()
    const there = new HostProbe(shared, {}, 0, { saved })
    // The root, /proc/self/fd, the directories on the way, and two for each open file.
    expect(openDescriptors() - before).toBeLessThanOrEqual(6)
    expect(there.read(open).toString()).toBe('dir/7')
    there.session.close()
    there.tree.close()
    expect(openDescriptors()).toBe(before)
  })

  it('keeps to the descriptors of its tree', () => {
    for (let i = 0; i < 100; i++) put(`dir/${i}`)
    const fids = Array.from({ length: 100 }, (_, i) => probe.fid(`dir/${i}`))
    const opened = Array.from({ length: 20 }, (_, i) => probe.opened(`dir/${i}`))
    const before = openDescriptors()
    const there = probe.elsewhere({ descriptors: 16 })
    expect(openDescriptors() - before).toBeLessThanOrEqual(16)
    const lost = opened.filter(
      (fid) => there.errnoOf('read', { fid, offset: 0, count: 1 }) === ESTALE,
    )
    expect(lost.length).toBeGreaterThan(10)
    expect(lost.length).toBeLessThan(20)
    for (const fid of opened) there.call('clunk', { fid })
    for (const fid of fids) there.call('getattr', { fid, mask: 1 })
    expect(there.log).toEqual([
      `${lost.length} of its files are gone or have changed since it was saved`,
    ])
  })

  it('has directories as deep as a guest can make them', () => {
    // node:fs cannot reach such a depth.
    afterwards(() => execFileSync('rm', ['-rf', join(shared, 'dir')]))
    let fid = probe.fid('dir')
    for (let depth = 0; depth < 3000; depth++) {
      probe.call('mkdir', { dfid: fid, name: 'd', mode: 0o755, gid: 0 })
      const newfid = 2000 + depth
      probe.call('walk', { fid, newfid, names: ['d'] })
      if (depth > 0) probe.call('clunk', { fid })
      fid = newfid
    }
    const there = probe.elsewhere()
    const last = { dfid: fid, name: 'last', mode: 0o755, gid: 0 }
    // One request fetches no more descriptors than there are levels in PATH_MAX bytes, and the next one goes on.
    expect(() => there.call('mkdir', last)).toThrow('ENAMETOOLONG')
    there.call('mkdir', last)
    expect(probe.call('walk', { fid, newfid: 900, names: ['last'] }).qids).toHaveLength(1)
  })
})

describe('a file that is not what it was', () => {
  const changes: Record<string, () => void> = {
    'was appended to': () => appendFileSync(join(shared, 'file'), 'more'),
    'was written to, with its times set back': () => {
      const { atime, mtime } = statSync(join(shared, 'file'))
      writeFileSync(join(shared, 'file'), 'FILE')
      utimesSync(join(shared, 'file'), atime, mtime)
    },
    'is gone': () => unlinkSync(join(shared, 'file')),
    'was replaced': () => {
      put('next', 'file')
      renameSync(join(shared, 'next'), join(shared, 'file'))
    },
    'is called something else': () => renameSync(join(shared, 'file'), join(shared, 'elsewhere')),
    'has become a symlink': () => {
      renameSync(join(shared, 'file'), join(shared, 'elsewhere'))
      symlinkSync('elsewhere', join(shared, 'file'))
    },
    'has become a directory': () => {
      unlinkSync(join(shared, 'file'))
      mkdirSync(join(shared, 'file'))
    },
  }

  it.each(Object.entries(changes))(
    'is ESTALE for everything when it %s, and nothing else is',
    (_what, change) => {
      const open = probe.opened('file', RDWR)
      const idle = probe.fid('file')
      const others = [probe.opened('other', RDWR), probe.fid('dir'), probe.fid('dir/a')]
      const saved = probe.session.save()
      change()
      const there = new HostProbe(shared, {}, 0, { saved })
      for (const fid of [open, idle]) {
        expect(refusals(there, fid)).toEqual(new Set([ESTALE]))
        expect(there.errnoOf('walk', { fid: 0, newfid: fid, names: [] })).toBe(errno.EINVAL)
      }
      expect(there.call('clunk', { fid: open })).toEqual({})
      expect(there.errnoOf('remove', { fid: idle })).toBe(ESTALE)
      for (const fid of [open, idle]) {
        expect(there.errnoOf('clunk', { fid })).toBe(errno.EBADF)
        there.call('walk', { fid: 0, newfid: fid, names: [] })
      }
      for (const fid of others) there.call('getattr', { fid, mask: 1 })
      expect(there.log).toEqual(['2 of its files are gone or have changed since it was saved'])
    },
  )

  it('may be reached by its name all the same, as what is there now', () => {
    const fid = probe.opened('file')
    const saved = probe.session.save()
    put('file', 'another')
    const there = new HostProbe(shared, {}, 0, { saved })
    expect(there.read(there.opened('file')).toString()).toBe('another')
    expect(there.errnoOf('read', { fid, offset: 0, count: 1 })).toBe(ESTALE)
  })

  it('takes all that lies in it along, if it is a directory', () => {
    const fids = [probe.opened('dir/a'), probe.fid('dir/inner'), probe.fid('dir/inner/deep')]
    const saved = probe.session.save()
    renameSync(join(shared, 'dir'), join(shared, 'old'))
    mkdirSync(join(shared, 'dir/inner'), { recursive: true })
    for (const name of ['a', 'inner/deep'])
      linkSync(join(shared, 'old', name), join(shared, 'dir', name))
    const there = new HostProbe(shared, {}, 0, { saved })
    for (const fid of fids) expect(there.errnoOf('getattr', { fid, mask: 1 })).toBe(ESTALE)
  })

  it('does not count if it is a directory or a symlink, or if only the access time differs', () => {
    symlinkSync('file', join(shared, 'link'))
    const fids = ['dir', 'link', 'file', ''].map((path) => probe.fid(path))
    const saved = probe.session.save()
    put('dir/new')
    chmodSync(join(shared, 'dir'), 0o700)
    readFileSync(join(shared, 'file'))
    const there = new HostProbe(shared, {}, 0, { saved })
    for (const fid of fids) there.call('getattr', { fid, mask: 1 })
  })

  it('is one that has no name any more when it is saved', () => {
    const open = probe.opened('file')
    const inside = probe.opened('dir/inner/deep')
    probe.call('unlinkat', { dirfid: 0, name: 'file', flags: 0 })
    rmSync(join(shared, 'dir'), { recursive: true })
    expect([probe.read(open), probe.read(inside)].map(String)).toEqual(['file', 'dir/inner/deep'])
    const there = probe.elsewhere()
    for (const fid of [open, inside])
      expect(there.errnoOf('read', { fid, offset: 0, count: 1 })).toBe(ESTALE)
    expect(probe.read(open).toString()).toBe('file')
  })

  it('is all of them where another directory is served', () => {
    const fid = probe.opened('file')
    const other = temporaryDirectory()
    writeFileSync(join(other, 'file'), 'file')
    const there = probe.elsewhere({}, { directory: other })
    for (const each of [0, fid])
      expect(there.errnoOf('getattr', { fid: each, mask: 1 })).toBe(ESTALE)
  })

  it('is one that its server may not open that way any more', async () => {
    const path = join(shared, 'program')
    copyFileSync('/bin/sleep', path)
    const fid = probe.opened('program', RDWR)
    const saved = probe.session.save()
    probe.session.close()
    const child = spawn(path, ['100'])
    afterwards(() => child.kill('SIGKILL'))
    await once(child, 'spawn')
    const there = new HostProbe(shared, {}, 0, { saved })
    expect(there.errnoOf('getattr', { fid, mask: 1 })).toBe(ESTALE)
  })
})

describe('what is under way', () => {
  it('is the value of an attribute that is read, and one that is written in part', () => {
    const kept = join(memoryFolder, `lowerdir-test-${process.pid}`)
    mkdirSync(kept)
    try {
      writeFileSync(join(kept, 'file'), '')
      const on = new HostProbe(kept)
      const file = on.fid('file')
      on.call('xattrwalk', { fid: file, newfid: 50, name: '' })
      const written = on.fid('file')
      on.call('xattrcreate', { fid: written, name: 'user.a', size: 6n, flags: 0 })
      on.write(written, 0, 'abc')
      const there = on.elsewhere()
      expect(there.read(50).toString()).toBe('')
      expect(there.errnoOf('write', { fid: written, offset: 0, data: emptyAt(1) })).toBe(
        errno.EINVAL,
      )
      there.write(written, 3, 'def')
      there.call('clunk', { fid: written })
      there.call('xattrwalk', { fid: file, newfid: 51, name: 'user.a' })
      const again = there.elsewhere()
      expect(again.read(51).toString()).toBe('abcdef')
      // The first of the two has not got all bytes of its value.
      expect(on.errnoOf('clunk', { fid: written })).toBe(errno.EINVAL)
    } finally {
      rmSync(kept, { recursive: true })
    }
  })

  it('are locks, which others meet, and which go when their owner gives them back', () => {
    const fid = probe.opened('file', RDWR)
    expect(lock(probe, fid, { start: 10n, length: 5n })).toBe(SUCCESS)
    expect(lock(probe, fid, { type: RDLCK, start: 100n, procId: 2 })).toBe(SUCCESS)
    const saved = probe.session.save()
    probe.session.close()
    const there = new HostProbe(shared, {}, 0, { saved })
    const other = new HostProbe(there.tree)
    const theirs = other.opened('file', RDWR)
    expect(lock(other, theirs, { start: 12n, length: 1n })).toBe(BLOCKED)
    expect(lock(other, theirs, { start: 15n, length: 1n })).toBe(SUCCESS)
    expect(lock(other, theirs, { start: 100n, length: 1n })).toBe(BLOCKED)
    expect(lock(other, theirs, { start: 100n, length: 1n, type: RDLCK })).toBe(SUCCESS)
    there.call('lock', { ...lockRequest(fid, { start: 10n, length: 5n }), type: flags.lock.UNLCK })
    expect(lock(other, theirs, { start: 12n, length: 1n })).toBe(SUCCESS)
    there.call('clunk', { fid })
    expect(lock(other, theirs, { start: 101n, length: 1n })).toBe(SUCCESS)
  })

  it('is a lock that another client has taken meanwhile: the second to lock gets ESTALE', () => {
    const fid = probe.opened('file', RDWR)
    lock(probe, fid)
    const saved = probe.session.save()
    probe.session.close()
    const first = new HostProbe(shared, {}, 0, { saved })
    const second = new HostProbe(first.tree, {}, 0, { saved })
    expect(first.read(fid).toString()).toBe('file')
    expect(second.errnoOf('read', { fid, offset: 0, count: 1 })).toBe(ESTALE)
  })

  it('is a request that waits: it is answered when what it waits for comes, in order', () => {
    const fid = probe.opened('file', RDWR)
    lock(probe, fid)
    for (const [tag, procId] of [
      [7, 2],
      [8, 3],
    ] as const) {
      probe.send(tag, 'lock', lockRequest(fid, { procId, wait: true }))
    }
    const saved = probe.session.save()
    probe.session.close()
    const there = new HostProbe(shared, {}, 0, { saved })
    expect(there.replies).toEqual([])
    there.call('lock', { ...lockRequest(fid, {}), type: flags.lock.UNLCK })
    expect(there.replies.map(({ tag }) => tag)).toEqual([7])
    there.call('lock', { ...lockRequest(fid, { procId: 2 }), type: flags.lock.UNLCK })
    expect(there.replies.map(({ tag }) => tag)).toEqual([7, 8])
    expect(() => there.send(7, 'flush', { oldtag: 8 })).not.toThrow()
  })

  it('may be flushed elsewhere, and its tag is in use until then', () => {
    const fid = probe.opened('file', RDWR)
    lock(probe, fid)
    probe.send(7, 'lock', lockRequest(fid, { procId: 2, wait: true }))
    const saved = probe.session.save()
    probe.session.close()
    const there = new HostProbe(shared, {}, 0, { saved })
    expect(() => there.send(7, 'clunk', { fid })).toThrow(/tag 7 is in use/)
    there.call('flush', { oldtag: 7 })
    there.call('lock', { ...lockRequest(fid, {}), type: flags.lock.UNLCK })
    expect(there.replies).toEqual([])
  })
})

describe('a server that goes on with a session', () => {
  it('shows files in the same way as to its other clients', () => {
    const fid = probe.fid('file')
    const there = probe.elsewhere({ owner: { uid: 7, gid: 8 } })
    expect(there.call('getattr', { fid, mask: 1 })).toMatchObject({ uid: 7, gid: 8 })
  })

  it('allows no writes if its export is read-only now', () => {
    const [written, read] = [probe.opened('file', RDWR), probe.opened('other')]
    const idle = probe.fid('dir')
    const there = probe.elsewhere({ readOnly: true })
    expect(there.errnoOf('read', { fid: written, offset: 0, count: 1 })).toBe(ESTALE)
    expect(there.read(read).toString()).toBe('other')
    expect(there.errnoOf('mkdir', { dfid: idle, name: 'x', mode: 0o755, gid: 0 })).toBe(errno.EROFS)
    expect(there.errnoOf('remove', { fid: written })).toBe(ESTALE)
    expect(there.errnoOf('clunk', { fid: written })).toBe(errno.EBADF)
  })

  it('hides what its export hides, and still finds `..`', () => {
    const on = new HostProbe(shared, { hide: ['secret', 'dir/a'] })
    const fids = [on.fid('dir/inner/deep'), on.opened('dir'), on.fid('other')]
    const there = on.elsewhere()
    expect(there.call('walk', { fid: fids[0]!, newfid: 60, names: [] }).qids).toEqual([])
    expect(there.entries(fids[1]!).map(({ name }) => name)).not.toContain('a')
    expect(there.errnoOf('walk', { fid: fids[1]!, newfid: 61, names: ['a'] })).toBe(errno.ENOENT)
    const inner = on.fid('dir/inner')
    const again = on.elsewhere()
    expect(again.errnoOf('walk', { fid: inner, newfid: 61, names: ['..', 'a'] })).toBe(0)
    expect(again.call('walk', { fid: inner, newfid: 62, names: ['..', 'a'] }).qids).toHaveLength(1)
    // The other server hides other files.
    const stricter = on.elsewhere({ hide: ['dir/inner'] })
    expect(stricter.errnoOf('getattr', { fid: fids[0]!, mask: 1 })).toBe(ESTALE)
    stricter.call('getattr', { fid: fids[1]!, mask: 1 })
  })

  it('numbers the files of other file systems as before', () => {
    for (const name of ['one', 'two']) mountTmpfs(join(shared, name))
    for (const name of ['one', 'two']) put(`${name}/file`)
    const [two, one] = ['two/file', 'one/file'].map((path) => probe.fid(path))
    const path = (on: HostProbe, fid: number): bigint =>
      on.call('getattr', { fid, mask: 1 }).qid.path
    const there = probe.elsewhere()
    // In another order than before.
    expect([path(there, one!), path(there, two!)]).toEqual([path(probe, one!), path(probe, two!)])
    expect(there.stat('one/file').qid.path).toBe(path(probe, one!))
  })

  it('takes it within its limits, or gives the reason why not', () => {
    probe.fid('file')
    const saved = probe.session.save()
    const loading =
      (change: Partial<SavedSession>, most = {}) =>
      () =>
        new HostProbe(shared, {}, 0, { saved: { ...saved, ...change }, ...most })
    expect(loading({ format: 0 })).toThrow('was saved by another version of lowerdir')
    expect(loading({}, { msize: 4096 })).toThrow(
      'an msize of 131072 and 2 fids; here it may have 4096',
    )
    expect(loading({}, { fids: 1 })).toThrow(/2 fids; here it may have \d+ and 1\.$/)
    expect(loading({}, { fids: 2 })).not.toThrow()
  })
})

describe('a tree made of functions', () => {
  let waiting: Deferred<Uint8Array>[]

  function made(text: string): SyntheticTree {
    return new SyntheticTree(
      folder({
        next: {
          kind: 'file',
          mode: 0o400,
          open: () => ({
            read: () => {
              const parked = new Deferred<Uint8Array>()
              waiting.push(parked)
              return parked
            },
          }),
        },
        texts: folder({ a: constantFile(() => Buffer.from(text)) }),
        ...(text === 'first' ? { old: constantFile(() => Buffer.from('')) } : {}),
      }),
    )
  }

  beforeEach(() => {
    waiting = []
  })

  it('gets the requests again that another server has left', () => {
    const first = new SessionProbe(made('first')).attach()
    for (const [fid, path] of ['next', 'texts/a', 'old', 'texts'].entries())
      first.walk(fid + 1, path)
    for (const fid of [1, 2, 3]) first.open(fid)
    first.send(5, 'read', { fid: 1, offset: 0, count: 100 })
    const there = new SessionProbe(made('second'), 0).load(first.session.save())
    expect(waiting).toHaveLength(2)
    waiting[1]!.resolve(Buffer.from('a script'))
    const [reply] = there.replies
    expect(payloadBytes(fieldsOf('read', reply!).data).toString()).toBe('a script')
    expect(first.replies).toEqual([])
    const { data } = there.call('read', { fid: 2, offset: 0, count: 100 })
    expect(payloadBytes(data).toString()).toBe('second')
    // An entry that the other tree does not have is gone.
    expect(there.errnoOf('getattr', { fid: 3, mask: 1 })).toBe(ESTALE)
    for (const fid of [0, 1, 2, 4]) {
      expect(there.call('getattr', { fid, mask: 1 }).qid).toEqual(
        first.call('getattr', { fid, mask: 1 }).qid,
      )
    }
  })

  it('gives no two entries the same qid path', () => {
    const first = new SessionProbe(made('first')).attach().walk(1, 'texts/a').walk(2, 'next')
    const tree = made('second')
    // Another client has walked here before, in the other order.
    new SessionProbe(tree).attach().walk(1, 'next').walk(2, 'texts/a')
    const there = new SessionProbe(tree, 0).load(first.session.save())
    expect([1, 2].map((fid) => there.errnoOf('getattr', { fid, mask: 1 }))).toEqual([
      ESTALE,
      ESTALE,
    ])
    there.walk(3, 'next')
  })
})

function emptyAt(length: number): Payload {
  return { memory: memoryOf(Buffer.alloc(length)), offset: 0, length }
}
