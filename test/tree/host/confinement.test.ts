import { execFileSync } from 'node:child_process'
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../../src/sys/errno.ts'
import { flags } from '../../../src/9p/index.ts'
import { HostTree } from '../../../src/tree/host/host-tree.ts'
import { errnoOf } from '../../support/errors.ts'
import { openDescriptors } from '../../support/descriptors.ts'
import { HostProbe } from '../../support/host-probe.ts'
import { afterwards, needsRoot, temporaryDirectory } from '../../support/temporary.ts'

/** What surrounds the export; `inside` is the export. */
let outside: string
let inside: string

beforeEach(() => {
  outside = temporaryDirectory()
  inside = join(outside, 'inside')
  mkdirSync(inside)
  writeFileSync(join(outside, 'secret'), 'secret')
})

describe('a symlink', () => {
  it('is shown as a symlink and never followed', () => {
    symlinkSync('../secret', join(inside, 'to-file'))
    symlinkSync('..', join(inside, 'to-directory'))
    symlinkSync('/', join(inside, 'to-root'))
    const probe = new HostProbe(inside)
    expect(probe.stat('to-file').mode & flags.mode.TYPE).toBe(flags.mode.SYMLINK)
    expect(probe.call('readlink', { fid: probe.fid('to-file') }).target).toBe('../secret')
    for (const name of ['to-file', 'to-directory', 'to-root']) {
      const walked = probe.call('walk', { fid: 0, newfid: 500, names: [name, 'secret'] })
      expect([name, walked.qids.length]).toEqual([name, 1])
      const fid = probe.fid(name)
      expect(probe.errnoOf('walk', { fid, newfid: 500, names: ['secret'] })).toBe(errno.ENOTDIR)
      expect(probe.errnoOf('lopen', { fid, flags: 0 })).toBe(errno.ENXIO)
      expect(probe.errnoOf('lopen', { fid, flags: flags.open.DIRECTORY })).toBe(errno.ENXIO)
    }
  })

  it('ends a walk of 16 names if it is in the middle', () => {
    const names = 'abcdefghijklmnop'.split('')
    mkdirSync(join(inside, ...names), { recursive: true })
    // The same names lead on where it points to.
    mkdirSync(join(outside, ...names), { recursive: true })
    const probe = new HostProbe(inside)
    expect(probe.call('walk', { fid: 0, newfid: 500, names }).qids.length).toBe(16)
    probe.call('clunk', { fid: 500 })
    const middle = join(inside, ...names.slice(0, 8))
    renameSync(middle, join(inside, 'moved'))
    symlinkSync(join(outside, ...names.slice(0, 8)), middle)
    const { qids } = probe.call('walk', { fid: 0, newfid: 500, names })
    expect(qids.map(({ type }) => type)).toEqual([...Array.from({ length: 7 }, () => 0x80), 0x02])
    expect(probe.errnoOf('getattr', { fid: 500, mask: 0 })).toBe(errno.EBADF)
  })

  it('is not followed where a file is created either', () => {
    symlinkSync('../made', join(inside, 'link'))
    const probe = new HostProbe(inside)
    expect(errnoOf(() => probe.create('', 'link', 0o644, flags.open.WRONLY))).toBe(errno.ENXIO)
    const exclusive = flags.open.WRONLY | flags.open.EXCL | flags.open.CREAT
    expect(errnoOf(() => probe.create('', 'link', 0o644, exclusive))).toBe(errno.EEXIST)
    expect(existsSync(join(outside, 'made'))).toBe(false)
  })

  it('is changed itself by Tsetattr, not its target', () => {
    symlinkSync('../secret', join(inside, 'link'))
    const before = readFileSync(join(outside, 'secret'), 'utf8')
    const probe = new HostProbe(inside)
    const { mtimeSec } = new HostProbe(outside).stat('secret')
    const fid = probe.fid('link')
    const { setattr } = flags
    probe.setattr(fid, setattr.MTIME | setattr.MTIME_SET, { mtimeSec: 77 })
    expect(probe.stat('link').mtimeSec).toBe(77)
    expect(errnoOf(() => probe.setattr(fid, setattr.MODE, { mode: 0 }))).toBe(errno.EOPNOTSUPP)
    expect(errnoOf(() => probe.setattr(fid, setattr.SIZE, { size: 0 }))).toBe(errno.EINVAL)
    const secret = new HostProbe(outside).stat('secret')
    expect([secret.mtimeSec, secret.size]).toEqual([mtimeSec, before.length])
  })

  it('that replaces a directory between two calls is not followed', () => {
    mkdirSync(join(inside, 'dir'))
    writeFileSync(join(inside, 'dir', 'mine'), 'mine')
    mkdirSync(join(inside, 'dir', 'sub'))
    const probe = new HostProbe(inside)
    const fid = probe.fid('dir')
    probe.settle()
    const young = probe.fid('dir/sub')
    renameSync(join(inside, 'dir'), join(inside, 'moved'))
    renameSync(join(inside, 'moved', 'sub'), join(inside, 'sub'))
    symlinkSync(outside, join(inside, 'moved', 'sub'))
    symlinkSync(outside, join(inside, 'dir'))

    // A fid that holds nothing yet is stale.
    for (const name of ['secret', 'mine']) {
      const walk = { fid: young, newfid: 500, names: [name] }
      expect(probe.errnoOf('walk', walk)).toBe(errno.ESTALE)
    }
    // Any other still is the directory that was walked to.
    expect(probe.errnoOf('walk', { fid, newfid: 500, names: ['secret'] })).toBe(errno.ENOENT)
    probe.call('walk', { fid, newfid: 501, names: ['mine'] })
    probe.call('mkdir', { dfid: fid, name: 'new', mode: 0o755, gid: 0 })
    expect(existsSync(join(inside, 'moved', 'new'))).toBe(true)
    expect(existsSync(join(outside, 'new'))).toBe(false)
    expect(errnoOf(() => probe.fid('dir/secret'))).toBe(errno.ENOENT)
  })
})

describe('`..`', () => {
  const up = (probe: HostProbe, fid: number, newfid: number): bigint | number => {
    try {
      return probe.call('walk', { fid, newfid, names: ['..'] }).qids[0]!.path
    } catch (error) {
      return (error as { errno: number }).errno
    }
  }

  it('stays at the root', () => {
    const probe = new HostProbe(inside)
    const root = probe.stat('').qid.path
    expect(up(probe, 0, 500)).toBe(root)
    expect(up(probe, 500, 501)).toBe(root)
    expect(probe.errnoOf('walk', { fid: 501, newfid: 502, names: ['secret'] })).toBe(errno.ENOENT)
    const dots = probe.entries(probe.opened('')).filter(({ name }) => name === '..')
    expect(dots.map(({ qid }) => qid.path)).toEqual([root])
  })

  it('never leaves the export, also when the host has moved the directory out of it', () => {
    mkdirSync(join(inside, 'a/b/c'), { recursive: true })
    const probe = new HostProbe(inside)
    const root = probe.stat('').qid.path
    const a = probe.stat('a').qid.path
    const b = probe.stat('a/b').qid.path
    const c = probe.fid('a/b/c')
    renameSync(join(inside, 'a/b/c'), join(outside, 'c'))
    // `..` goes back the way that the walk came; the present place of the directory does not matter.
    expect(up(probe, c, 500)).toBe(b)
    expect(up(probe, 500, 501)).toBe(a)
    expect(up(probe, 501, 502)).toBe(root)
    expect(up(probe, 502, 503)).toBe(root)
  })

  it('of a directory whose parent was moved or replaced is still that parent', () => {
    mkdirSync(join(inside, 'a/b'), { recursive: true })
    const probe = new HostProbe(inside)
    const a = probe.stat('a').qid.path
    const b = probe.fid('a/b')
    renameSync(join(inside, 'a'), join(outside, 'a'))
    expect(up(probe, b, 500)).toBe(a)
    symlinkSync('..', join(inside, 'a'))
    expect(up(probe, b, 501)).toBe(a)
    expect(probe.errnoOf('walk', { fid: 501, newfid: 502, names: ['secret'] })).toBe(errno.ENOENT)
    // What is above that is what it was reached through, wherever it is now.
    expect(up(probe, 501, 503)).toBe(probe.stat('').qid.path)
  })

  it('leaves no descriptor open, however deep', () => {
    mkdirSync(join(inside, 'a/b/c/d/e'), { recursive: true })
    const probe = new HostProbe(inside)
    const before = openDescriptors()
    for (let i = 0; i < 20; i++) {
      const fid = probe.fid('a/b/c/d/e')
      const above = 1000 + i
      probe.call('walk', { fid, newfid: above, names: ['..'] })
      probe.call('clunk', { fid })
      probe.call('walk', { fid: above, newfid: above, names: ['..', '..'] })
      probe.call('clunk', { fid: above })
    }
    expect(openDescriptors()).toBe(before)
  })
})

describe('what is neither file nor directory', () => {
  it('is never opened: a FIFO without a writer does not block', () => {
    execFileSync('mkfifo', [join(inside, 'fifo')])
    const probe = new HostProbe(inside)
    for (const how of [0, 1, 2, flags.open.NONBLOCK, flags.open.DIRECTORY]) {
      const fid = probe.fid('fifo')
      expect(probe.errnoOf('lopen', { fid, flags: how })).toBe(errno.ENXIO)
    }
    // As a file that exists already.
    expect(errnoOf(() => probe.create('', 'fifo'))).toBe(errno.ENXIO)
    const { mode } = probe.stat('fifo')
    expect(mode & flags.mode.TYPE).toBe(flags.mode.FIFO)
    expect(errnoOf(() => probe.setattr(probe.fid('fifo'), 8, { size: 0 }))).toBe(errno.EINVAL)
  })

  it('is never opened: a socket', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(join(inside, 'socket'), resolve))
    afterwards(() => server.close())
    const probe = new HostProbe(inside)
    expect(probe.errnoOf('lopen', { fid: probe.fid('socket'), flags: 0 })).toBe(errno.ENXIO)
  })

  it('is never opened: a device', () => {
    needsRoot('makes a device')
    execFileSync('mknod', [join(inside, 'null'), 'c', '1', '3'])
    execFileSync('mknod', [join(inside, 'disk'), 'b', '259', '65535'])
    const probe = new HostProbe(inside)
    for (const name of ['null', 'disk']) {
      for (const how of [0, 1, 2]) {
        expect(probe.errnoOf('lopen', { fid: probe.fid(name), flags: how })).toBe(errno.ENXIO)
      }
    }
    // What it is can be seen.
    expect(probe.stat('null').rdev).toBe((1 << 8) | 3)
    expect(probe.stat('disk').rdev).toBe(
      ((65535 & 0xff) | (259 << 8) | ((65535 & ~0xff) << 12)) >>> 0,
    )
  })

  it('may be renamed, linked and removed like any other name', () => {
    execFileSync('mkfifo', [join(inside, 'fifo')])
    const probe = new HostProbe(inside)
    probe.call('link', { dfid: 0, fid: probe.fid('fifo'), name: 'second' })
    probe.call('renameat', { olddirfid: 0, oldname: 'fifo', newdirfid: 0, newname: 'third' })
    expect(probe.names('')).toEqual(['second', 'third'])
    probe.call('unlinkat', { dirfid: 0, name: 'second', flags: 0 })
    expect(probe.names('')).toEqual(['third'])
  })
})

describe('the views of the kernel', () => {
  const views = ['proc', 'sys'].filter((name) => existsSync(join('/', name, 'fs')))

  it('show nothing in an export of /', () => {
    expect(views).toEqual(['proc', 'sys'])
    const probe = new HostProbe('/', { readOnly: true })
    for (const name of views) {
      expect(probe.stat(name).mode & flags.mode.TYPE).toBe(flags.mode.DIRECTORY)
      expect(probe.names(name)).toEqual([])
      for (const inner of ['fs', 'self', 'kernel', '1', 'kmsg']) {
        expect(
          errnoOf(() => probe.fid(`${name}/${inner}`)),
          `${name}/${inner}`,
        ).toBe(errno.ENOENT)
      }
      const dots = probe.entries(probe.opened(name)).map((entry) => entry.name)
      expect(dots.toSorted()).toEqual(['.', '..'])
    }
  })

  it('can be left again', () => {
    const probe = new HostProbe('/', { readOnly: true })
    const { qids } = probe.call('walk', { fid: 0, newfid: 500, names: ['proc', '..', 'sys', '..'] })
    expect(qids.map(({ path }) => path)).toEqual(
      ['proc', '', 'sys', ''].map((name) => probe.stat(name).qid.path),
    )
  })

  it('take no change, also where the export may be written', () => {
    needsRoot('mounts proc')
    execFileSync('mount', ['-t', 'proc', 'proc', inside])
    afterwards(() => execFileSync('umount', ['--lazy', inside]))
    const probe = new HostProbe(outside)
    const fid = probe.fid('inside')
    const { mode } = probe.stat('inside')
    const name = 'x'
    expect([
      probe.errnoOf('mkdir', { dfid: fid, name, mode: 0o755, gid: 0 }),
      probe.errnoOf('symlink', { dfid: fid, name, symtgt: 't', gid: 0 }),
      probe.errnoOf('lcreate', { fid, name, flags: 1, mode: 0o644, gid: 0 }),
      probe.errnoOf('link', { dfid: fid, fid: probe.fid('secret'), name }),
      probe.errnoOf('unlinkat', { dirfid: fid, name: 'kmsg', flags: 0 }),
      probe.errnoOf('renameat', { olddirfid: 0, oldname: 'secret', newdirfid: fid, newname: name }),
      probe.errnoOf('renameat', { olddirfid: fid, oldname: 'kmsg', newdirfid: 0, newname: name }),
      errnoOf(() => probe.setattr(fid, flags.setattr.MODE, { mode })),
    ]).toEqual(Array.from({ length: 8 }, () => errno.EROFS))
    expect(probe.stat('inside').mode).toBe(mode)
  })

  it('are no export', () => {
    const policy = { readOnly: true, owner: 'host', atime: 'guest' } as const
    const before = openDescriptors()
    for (const view of ['/proc', '/sys', '/proc/self']) {
      const found = errnoOf(() => new HostTree(view, policy))
      expect([view, found]).toEqual([view, errno.EINVAL])
    }
    expect(errnoOf(() => new HostTree(join(inside, 'missing'), policy))).toBe(errno.ENOENT)
    expect(errnoOf(() => new HostTree(join(outside, 'secret'), policy))).toBe(errno.ENOTDIR)
    expect(openDescriptors()).toBe(before)
  })

  it('that are mounted on a file are not opened', () => {
    needsRoot('mounts a file')
    const place = join(inside, 'looks-like-a-file')
    writeFileSync(place, '')
    execFileSync('mount', ['--bind', '/proc/version', place])
    afterwards(() => execFileSync('umount', ['--lazy', place]))
    const probe = new HostProbe(inside)
    const fid = probe.fid('looks-like-a-file')
    expect(probe.errnoOf('lopen', { fid, flags: 0 })).toBe(errno.EACCES)
  })
})

describe('fids and the files of the host', () => {
  it('stay with a file that is renamed, replaced or removed', () => {
    writeFileSync(join(inside, 'f'), 'old')
    const probe = new HostProbe(inside)
    const fid = probe.fid('f')
    probe.settle()
    linkSync(join(outside, 'secret'), join(inside, 'other'))
    renameSync(join(inside, 'other'), join(inside, 'f'))
    const clone = 900
    probe.call('walk', { fid, newfid: clone, names: [] })
    probe.call('lopen', { fid: clone, flags: 0 })
    expect(probe.read(clone).toString()).toBe('old')
    expect(probe.call('getattr', { fid, mask: 0x7ff }).nlink).toBe(0)
  })

  it('are given back: no descriptor is left when the conversation is over', () => {
    for (let i = 0; i < 10; i++) writeFileSync(join(inside, `f${i}`), 'x')
    const before = openDescriptors()
    const tree = new HostTree(inside, { readOnly: false, owner: 'host', atime: 'preserve' })
    const probe = new HostProbe(inside)
    for (let i = 0; i < 10; i++) probe.opened(`f${i}`)
    probe.opened('')
    probe.create('', 'new')
    expect(errnoOf(() => probe.fid('missing/more'))).toBe(errno.ENOENT)
    expect(errnoOf(() => probe.create('', 'f0', 0o644, flags.open.EXCL))).toBe(errno.EEXIST)
    expect(openDescriptors()).toBeGreaterThan(before + 20)
    probe.session.close()
    tree.close()
    // The probe's own tree still holds its root and /proc/self/fd.
    expect(openDescriptors()).toBe(before + 2)
  })
})
