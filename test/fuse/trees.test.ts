import { linkSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { payloadBytes } from '../../src/sys/memory.ts'
import { modes, openFlags, renameFlags } from '../../src/tree/flags.ts'
import { setattr as bits } from '../../src/fuse/wire/flags.ts'
import { constantFile, directory as synthetic } from '../../src/tree/synthetic/entry.ts'
import { SyntheticTree } from '../../src/tree/synthetic/synthetic-tree.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { plusEntriesIn } from '../support/fuse/directory-entries.ts'
import { FuseProbe } from '../support/fuse/fuse-probe.ts'
import { FuseHostProbe } from '../support/fuse/host-probe.ts'
import { payload } from '../support/fuse/requests.ts'
import { memoryFolder } from '../support/memory-folder.ts'
import { needsRoot, temporaryDirectory } from '../support/temporary.ts'

const { EXCHANGE } = renameFlags
const { RDWR } = openFlags

let directory: string

const path = (name: string): string => join(directory, name)

beforeEach(() => {
  directory = temporaryDirectory(memoryFolder)
})

function files(...names: readonly string[]): void {
  for (const name of names) {
    mkdirSync(dirname(path(name)), { recursive: true })
    writeFileSync(path(name), `of ${name}`)
  }
}

describe('a view', () => {
  let probe: FuseHostProbe

  beforeEach(() => {
    files('shown/file', 'shown/deep/inner', 'shown/secret/key', 'hidden/file', 'shown/.key')
    probe = new FuseHostProbe(
      directory,
      { only: ['/shown'], hide: ['/**/secret', '/**/.key', '/**/*.tmp'] },
      {
        caching: 'mmap',
      },
    )
  })

  it('shows a part of a tree, with one number for each file', () => {
    const shown = probe.node('shown')
    expect([probe.names(), probe.names(shown)]).toEqual([['shown'], ['deep', 'file']])
    for (const name of ['shown', 'shown/file', 'shown/deep', 'shown/deep/inner']) {
      expect([name, probe.node(name)]).toEqual([name, probe.node(name)])
    }
    expect(probe.node('..', probe.node('shown/deep'))).toBe(shown)
    for (const name of ['secret', '.key']) {
      expect(probe.errnoOf('lookup', { name }, { nodeid: shown })).toBe(errno.ENOENT)
    }
  })

  it('has the same numbers in READDIRPLUS', () => {
    const nodeid = probe.node('shown')
    const { fh } = probe.call('opendir', {}, { nodeid })
    const { data } = probe.call('readdirplus', { fh, size: 65_536 }, { nodeid })
    const told = plusEntriesIn(data).filter(({ entry }) => entry.nodeid !== 0)
    expect(told.map(({ name }) => name).toSorted()).toEqual(['deep', 'file'])
    for (const { name, entry } of told) expect(probe.node(name, nodeid)).toBe(entry.nodeid)
  })

  it('remembers what is hidden as missing, like what is', () => {
    probe = new FuseHostProbe(directory, { hide: ['/hidden'] }, { caching: 'loose' })
    expect([probe.node('hidden'), probe.node('none')]).toEqual([0, 0])
  })

  it('exchanges two names that are shown, and none that is hidden', () => {
    const shown = probe.node('shown')
    const [file, deep] = [probe.node('file', shown), probe.node('deep', shown)]
    const exchange = (oldname: string, newname: string, newdir = shown): number =>
      probe.errnoOf('rename2', { newdir, flags: EXCHANGE, oldname, newname }, { nodeid: shown })
    expect(exchange('file', 'deep')).toBe(0)
    expect([probe.node('deep', shown), probe.node('file', shown)]).toEqual([file, deep])
    expect([exchange('file', 'secret'), exchange('file', '.key')]).toEqual([
      errno.EPERM,
      errno.EPERM,
    ])
    expect([exchange('secret', 'file'), exchange('.key', 'deep')]).toEqual([
      errno.ENOENT,
      errno.ENOENT,
    ])
    expect(exchange('file', 'hidden', 1)).toBe(errno.EPERM)
    expect(readFileSync(path('shown/.key'), 'latin1')).toBe('of shown/.key')
  })

  it('makes no file under a hidden name, also of one without a name', () => {
    const nodeid = probe.node('shown')
    const { entry, fh } = probe.call('tmpfile', { flags: RDWR, mode: 0o600 }, { nodeid })
    probe.write(fh, 0, 'content')
    const link = (name: string): number =>
      probe.errnoOf('link', { name, oldnodeid: entry.nodeid }, { nodeid })
    expect([link('a.tmp'), link('secret'), link('named')]).toEqual([errno.EPERM, errno.EPERM, 0])
    expect(probe.node('named', nodeid)).toBe(entry.nodeid)
    expect(probe.errnoOf('create', { name: 'b.tmp', flags: RDWR }, { nodeid })).toBe(errno.EPERM)
    expect(probe.errnoOf('syncfs', {}, { nodeid })).toBe(0)
  })

  it('has hard links under one number, as far as they are shown', () => {
    linkSync(path('hidden/file'), path('shown/twin'))
    linkSync(path('hidden/file'), path('shown/second'))
    expect(probe.node('shown/twin')).toBe(probe.node('shown/second'))
  })
})

describe('owners that are mapped', () => {
  const owner = [{ guest: 0, host: 100_000, count: 1000 }]

  it('are the guest’s in all replies, and the host’s on the host', () => {
    needsRoot('gives files away')
    const probe = new FuseHostProbe(directory, { owner }, { caching: 'mmap' })
    const who = { uid: 5, gid: 6 }
    const { entry } = probe.call('create', { name: 'file', flags: RDWR, mode: 0o644 }, who)
    expect([entry.attributes.uid, entry.attributes.gid]).toEqual([5, 6])
    expect(lstatSync(path('file'))).toMatchObject({ uid: 100_005, gid: 100_006 })
    expect(probe.call('statx', {}, entry).statx).toMatchObject(who)
    const changed = { valid: bits.UID | bits.GID, uid: 7, gid: 8 }
    const { attributes } = probe.call('setattr', changed, entry).attributes
    expect([attributes.uid, attributes.gid]).toEqual([7, 8])
    expect(probe.errnoOf('setattr', { valid: bits.UID, uid: 1000 }, entry)).toBe(errno.EINVAL)
    expect(probe.errnoOf('mkdir', { name: 'd' }, { uid: 1000 })).toBe(errno.EINVAL)
    expect(probe.errnoOf('lookup', { name: 'd' })).toBe(errno.ENOENT)
  })
})

describe('files with their owners beside them', () => {
  let probe: FuseHostProbe
  const who = { uid: 5, gid: 6 }

  beforeEach(() => {
    probe = new FuseHostProbe(directory, { owner: 'mapped-xattr' }, { caching: 'mmap' })
  })

  it('are of any type for the guest, and files and directories on the host', () => {
    probe.call('mkdir', { name: 'folder', mode: 0o1777 }, who)
    probe.call('mknod', { name: 'fifo', mode: modes.FIFO | 0o622 }, who)
    probe.call('mknod', { name: 'char', mode: modes.CHAR | 0o600, rdev: 0x0103 }, who)
    probe.call('create', { name: 'file', mode: 0o4755, flags: RDWR }, who)
    const link = probe.call('symlink', { name: 'link', target: 'target' }, who).entry
    const { fh } = probe.call('opendir')
    const told = plusEntriesIn(probe.call('readdirplus', { fh, size: 65_536 }).data)
    const shown = new Map(
      told.map(({ name, type, entry }) => [name, [type, entry.attributes] as const]),
    )
    const modesOf = {
      folder: 0o41777,
      fifo: 0o10622,
      char: 0o20600,
      file: 0o104755,
      link: 0o120777,
    }
    for (const [name, mode] of Object.entries(modesOf)) {
      expect([name, shown.get(name)]).toEqual([
        name,
        [mode >> 12, expect.objectContaining({ mode, ...who })],
      ])
      const host = lstatSync(path(name))
      expect([host.isFile() || host.isDirectory(), host.uid]).toEqual([true, process.getuid!()])
    }
    expect(shown.get('char')?.[1].rdev).toBe(0x0103)
    expect(payloadBytes(probe.call('readlink', {}, link).data).toString()).toBe('target')
  })

  it('have the type in READDIR that a lookup tells', () => {
    probe.call('mknod', { name: 'char', mode: modes.CHAR | 0o600 })
    probe.call('symlink', { name: 'link', target: 'target' })
    const { fh } = probe.call('opendir')
    const types = new Map(probe.entries(1, fh).map(({ name, type }) => [name, type << 12]))
    expect([types.get('char'), types.get('link')]).toEqual([modes.CHAR, modes.SYMLINK])
  })

  it('lose setuid bits that are stored at a write by another user than root', () => {
    const { entry } = probe.call('create', { name: 'file', mode: 0o6755, flags: RDWR })
    const fh = probe.open(entry.nodeid, RDWR, who)
    expect(probe.call('getattr', {}, entry).attributes.attributes.mode & 0o7777).toBe(0o6755)
    probe.write(fh, 0, 'x')
    expect(probe.call('getattr', {}, entry).attributes.attributes.mode & 0o7777).toBe(0o755)
  })

  it('keep privileged attributes beside them', () => {
    writeFileSync(path('file'), '')
    const nodeid = probe.node('file')
    const name = 'trusted.overlay.opaque'
    probe.call('setxattr', { name, value: payload('y') }, { nodeid })
    const { data } = probe.call('getxattr', { name, size: 9 }, { nodeid })
    expect(payloadBytes(data).toString()).toBe('y')
    const { data: list } = probe.call('listxattr', { size: 99 }, { nodeid })
    expect(payloadBytes(list).toString()).toBe(`${name}\0`)
  })
})

describe('a tree made of functions', () => {
  it('is served, and changes nothing', () => {
    const root = synthetic({ text: constantFile(() => Buffer.from('some text')) })
    const probe = new FuseProbe(new SyntheticTree(root))
    const fh = probe.open(probe.node('text'))
    expect(probe.read(fh)).toBe('some text')
    expect(probe.errnoOf('mkdir', { name: 'd' })).toBe(errno.EPERM)
    expect(probe.errnoOf('tmpfile', { flags: RDWR })).toBe(errno.EPERM)
    expect(probe.errnoOf('getxattr', { name: 'user.a' })).toBe(errno.EOPNOTSUPP)
    expect(probe.errnoOf('syncfs')).toBe(0)
    probe.session.close()
  })
})

describe('a symlink that leads out', () => {
  it('is told and not followed', () => {
    symlinkSync('/etc', path('out'))
    const probe = new FuseHostProbe(directory)
    const before = openDescriptors()
    const { nodeid, attributes } = probe.lookup('out')
    expect(attributes.mode & modes.TYPE).toBe(modes.SYMLINK)
    expect(probe.errnoOf('lookup', { name: 'passwd' }, { nodeid })).toBe(errno.ENOTDIR)
    expect(probe.errnoOf('open', {}, { nodeid })).toBe(errno.ENXIO)
    expect(probe.errnoOf('opendir', {}, { nodeid })).toBe(errno.ENXIO)
    probe.tell('forget', { count: 1 }, nodeid)
    expect(openDescriptors()).toBe(before)
  })
})
