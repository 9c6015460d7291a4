import { linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { ErrnoError, errno } from '../../src/sys/errno.ts'
import { entryTypes, modes } from '../../src/tree/flags.ts'
import type { DirectoryVisitor } from '../../src/tree/directory.ts'
import type { OpenDirectory } from '../../src/tree/tree.ts'
import { DIRENTPLUS_BYTES, DIRENT_BYTES } from '../../src/fuse/wire/limits.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { type DirentPlus, entriesIn, plusEntriesIn } from '../support/fuse/directory-entries.ts'
import { FuseProbe } from '../support/fuse/fuse-probe.ts'
import { FuseHostProbe } from '../support/fuse/host-probe.ts'
import { temporaryDirectory } from '../support/temporary.ts'

let directory: string
let probe: FuseHostProbe

const path = (name: string): string => join(directory, name)

beforeEach(() => {
  directory = temporaryDirectory()
  probe = new FuseHostProbe(directory, {}, { caching: 'mmap' })
})

function opendir(nodeid = 1): number {
  return probe.call('opendir', {}, { nodeid }).fh
}

function plus(fh: number, offset = 0n, size = 65_536, nodeid = 1): DirentPlus[] {
  return plusEntriesIn(probe.call('readdirplus', { fh, offset, size }, { nodeid }).data)
}

/** The bytes of an entry whose name has `length` bytes. */
function bytesOf(length: number, overhead: number): number {
  return Math.ceil((overhead + length) / 8) * 8
}

describe('READDIR', () => {
  it('has all names with their types and inode numbers, and those of `.` and `..`', () => {
    writeFileSync(path('file'), '')
    mkdirSync(path('folder'))
    symlinkSync('file', path('link'))
    probe.call('mknod', { name: 'fifo', mode: modes.FIFO | 0o600 })
    const entries = probe.entries(1, opendir())
    const types = new Map(entries.map(({ name, type }) => [name, type]))
    expect(types).toEqual(
      new Map([
        ['.', entryTypes.DIRECTORY],
        ['..', entryTypes.DIRECTORY],
        ['file', entryTypes.FILE],
        ['folder', entryTypes.DIRECTORY],
        ['link', entryTypes.SYMLINK],
        ['fifo', entryTypes.FIFO],
      ]),
    )
    for (const { name, ino } of entries) {
      const { nodeid } = name.startsWith('.') ? { nodeid: 1 } : probe.lookup(name)
      expect(ino).toBe(probe.call('getattr', {}, { nodeid }).attributes.attributes.ino)
    }
  })

  it('tells of no node', () => {
    writeFileSync(path('file'), '')
    probe.entries(1, opendir())
    expect(probe.session.nodes.size).toBe(1)
  })

  it.each([280, 333, 512, 4096, 65_536])('shows each name once in pieces of %i bytes', (size) => {
    const names = Array.from({ length: 300 }, (_, i) => 'n'.repeat(i % 251) + `${1000 + i}`)
    for (const name of names) writeFileSync(path(name), '')
    expect(probe.names(1, size)).toEqual(names.toSorted())
  })

  it('fills the room that there is, to the last entry that fits', () => {
    for (let i = 100; i < 200; i++) writeFileSync(path(`${i}`), '')
    const fh = opendir()
    const each = bytesOf(3, DIRENT_BYTES)
    const all = probe.entries(1, fh)
    for (const bytes of [each, each + each - 1, 5 * each, 20 * each + 7]) {
      expect(probe.entries(1, fh, 0n, bytes).length).toBe(Math.floor(bytes / each))
    }
    // From each cookie on it is the rest.
    for (const [i, { cookie }] of all.entries()) {
      expect(probe.entries(1, fh, cookie).length).toBe(all.length - i - 1)
    }
  })

  it('is EINVAL where not even one entry fits, since nothing would mean the end', () => {
    const fh = opendir()
    const refused = [0, 1, DIRENT_BYTES].map((size) => probe.errnoOf('readdir', { fh, size }))
    expect(new Set(refused)).toEqual(new Set([errno.EINVAL]))
    const refusedPlus = [0, DIRENTPLUS_BYTES].map((size) =>
      probe.errnoOf('readdirplus', { fh, size }),
    )
    expect(new Set(refusedPlus)).toEqual(new Set([errno.EINVAL]))
  })

  it('is at its end at the last cookie, and stays there', () => {
    const fh = opendir()
    const { cookie } = probe.entries(1, fh).at(-1)!
    expect([probe.entries(1, fh, cookie), plus(fh, cookie)]).toEqual([[], []])
  })

  it('refuses a cookie that no directory can have', () => {
    const fh = opendir()
    for (const offset of [1n << 63n, (1n << 64n) - 1n]) {
      expect(probe.errnoOf('readdir', { fh, offset, size: 4096 })).toBe(errno.EINVAL)
    }
  })

  it('shows names of all bytes as they are', () => {
    const name = Buffer.from([0xff, 0x0a, 0xc3, 0x28, 0x20])
    writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), name]), '')
    expect(probe.names()).toEqual([name.toString('latin1')])
    expect(probe.node(name.toString('latin1'))).toBe(2)
  })

  it('goes on while the directory changes', () => {
    for (let i = 100; i < 200; i++) writeFileSync(path(`${i}`), '')
    const fh = opendir()
    const seen = probe.entries(1, fh, 0n, 50 * 32)
    for (let i = 100; i < 200; i++) rmSync(path(`${i}`))
    writeFileSync(path('new'), '')
    let cookie = seen.at(-1)!.cookie
    for (
      let some = probe.entries(1, fh, cookie);
      some.length > 0;
      some = probe.entries(1, fh, cookie)
    ) {
      seen.push(...some)
      cookie = some.at(-1)!.cookie
    }
    const names = seen.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('READDIRPLUS', () => {
  it('tells of each node as a lookup would, but for `.` and `..`', () => {
    writeFileSync(path('file'), 'content')
    mkdirSync(path('folder'))
    const entries = plus(opendir())
    const isDots = ({ name }: DirentPlus): boolean => name.startsWith('.')
    const dots = entries.filter(isDots).map(({ entry }) => [entry.nodeid, entry.attributes.mode])
    expect(dots).toEqual([
      [0, 0],
      [0, 0],
    ])
    for (const { name, entry } of entries.filter((each) => !isDots(each))) {
      expect(entry.nodeid).toBeGreaterThan(1)
      expect(probe.lookup(name)).toEqual(entry)
      expect(probe.session.nodes.get(entry.nodeid).lookups).toBe(2)
    }
    expect(entries.length).toBe(4)
  })

  it('counts as a lookup what was sent, and nothing else', () => {
    for (let i = 100; i < 120; i++) writeFileSync(path(`${i}`), '')
    const fh = opendir()
    const each = bytesOf(3, DIRENTPLUS_BYTES)
    const some = plus(fh, 0n, 7 * each + 5)
    const told = some.filter(({ entry }) => entry.nodeid !== 0)
    expect([some.length, probe.session.nodes.size]).toEqual([7, 1 + told.length])
    for (const { entry } of told) probe.tell('forget', { count: 1 }, entry.nodeid)
    expect(probe.session.nodes.size).toBe(1)
  })

  it.each([500, 4096, 65_536])('shows each name once in pieces of %i bytes', (size) => {
    const names = Array.from({ length: 200 }, (_, i) => 'n'.repeat(i % 251) + `${1000 + i}`)
    for (const name of names) writeFileSync(path(name), '')
    const fh = opendir()
    const seen: string[] = []
    let offset = 0n
    for (let some = plus(fh, offset, size); some.length > 0; some = plus(fh, offset, size)) {
      seen.push(...some.map(({ name }) => name))
      offset = some.at(-1)!.cookie
    }
    expect(seen.filter((name) => !name.startsWith('.')).toSorted()).toEqual(names.toSorted())
  })

  it('has hard links under one number', () => {
    writeFileSync(path('file'), '')
    linkSync(path('file'), path('twin'))
    const nodes = plus(opendir()).filter(({ entry }) => entry.nodeid !== 0)
    expect(new Set(nodes.map(({ entry }) => entry.nodeid)).size).toBe(1)
  })

  it('tells the name alone of what the client may know no more of', () => {
    for (let i = 100; i < 110; i++) writeFileSync(path(`${i}`), '')
    probe = new FuseHostProbe(directory, {}, { caching: 'mmap', limits: { fids: 4 } })
    const told = plus(opendir()).filter(({ name }) => !name.startsWith('.'))
    expect([told.length, told.filter(({ entry }) => entry.nodeid !== 0).length]).toEqual([10, 3])
  })
})

describe('a directory that fails in the middle', () => {
  let tree: FakeTree
  let fake: FuseProbe
  let fh: number

  beforeEach(() => {
    tree = new FakeTree()
    fake = new FuseProbe(tree)
    const open = tree.root.open.bind(tree.root)
    tree.root.open = (flags) => {
      const opened = open(flags) as OpenDirectory
      const readdir = (cookie: bigint, visitor: DirectoryVisitor): void => {
        let left = 2
        opened.readdir(cookie, {
          get room() {
            return visitor.room
          },
          visit: (entry) => {
            if (left-- === 0) throw new ErrnoError(errno.EIO, 'readdir')
            return visitor.visit(entry)
          },
        })
      }
      return { ...opened, readdir }
    }
    fh = fake.call('opendir').fh
  })

  it('shows what it has, as getdents(2), and then fails', () => {
    const entries = entriesIn(fake.call('readdir', { fh, size: 4096 }).data)
    expect(entries.map(({ name }) => name)).toEqual(['file', 'big'])
  })

  it('leaves no node that the client has not heard of', () => {
    const entries = plusEntriesIn(fake.call('readdirplus', { fh, size: 4096 }).data)
    for (const { entry } of entries) fake.tell('forget', { count: 1 }, entry.nodeid)
    expect([entries.length, fake.session.nodes.size]).toEqual([2, 1])
  })

  it('shows an entry without its attributes that has vanished', () => {
    const lookup = tree.root.lookup.bind(tree.root)
    tree.root.lookup = (name, attributes) => {
      if (name === 'file') throw new ErrnoError(errno.ENOENT, 'lookup')
      return lookup(name, attributes)
    }
    const entries = plusEntriesIn(fake.call('readdirplus', { fh, size: 4096 }).data)
    expect(entries.map(({ name, entry }) => [name, entry.nodeid])).toEqual([
      ['file', 0],
      ['big', 2],
    ])
  })
})
