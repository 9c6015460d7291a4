import { beforeEach, describe, expect, it } from 'vitest'
import { type ErrnoError, errno } from '../../src/sys/errno.ts'
import type { Caching } from '../../src/fuse/caching.ts'
import { init, opened } from '../../src/fuse/wire/flags.ts'
import { IO_BYTES_MAX, MINOR } from '../../src/fuse/wire/limits.ts'
import type { R } from '../../src/fuse/wire/messages.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { fieldsOf } from '../support/fuse/client.ts'
import { FuseProbe, type ProbeOptions } from '../support/fuse/fuse-probe.ts'
import { linuxInit, rawRequest } from '../support/fuse/requests.ts'

let tree: FakeTree

beforeEach(() => {
  tree = new FakeTree()
})

/** A session that nothing was said to. */
function unspoken(options: ProbeOptions = {}): FuseProbe {
  return new FuseProbe(tree, { ...options, init: null })
}

/** What is agreed on with a client that offers everything. */
function agreed(options: ProbeOptions, offer = linuxInit): string[] {
  const { flags, flags2 } = unspoken(options).call('init', offer)
  const all = BigInt(flags) | (BigInt(flags2) << 32n)
  return Object.entries(init)
    .filter(([, flag]) => (all & flag) !== 0n)
    .map(([name]) => name)
}

const always = [
  'ASYNC_READ',
  'ATOMIC_O_TRUNC',
  'BIG_WRITES',
  'AUTO_INVAL_DATA',
  'ASYNC_DIO',
  'NO_OPEN_SUPPORT',
  'PARALLEL_DIROPS',
  'MAX_PAGES',
  'NO_OPENDIR_SUPPORT',
  'HANDLE_KILLPRIV_V2',
  'INIT_EXT',
]

describe('INIT', () => {
  it.each(Array.from({ length: 15 }, (_, i) => 31 + i))('agrees with 7.%i', (minor) => {
    const probe = unspoken()
    const reply = probe.call('init', { ...linuxInit, minor })
    expect([reply.major, reply.minor]).toEqual([7, Math.min(minor, MINOR)])
    expect(probe.session.features.minor).toBe(reply.minor)
    expect(probe.node('file')).toBe(2)
  })

  it.each([
    [7, 30],
    [7, 0],
    [6, 99],
    [0, 0],
  ])('refuses %i.%i, which is older than virtio-fs', (major, minor) => {
    const probe = unspoken()
    expect(probe.errnoOf('init', { ...linuxInit, major, minor })).toBe(errno.EINVAL)
    expect(tree.uses).toBe(0)
  })

  it('tells its own version to a later major version, which begins anew', () => {
    const probe = unspoken()
    const { major, minor } = probe.call('init', { ...linuxInit, major: 8, minor: 1 })
    expect([major, minor, tree.uses]).toEqual([7, MINOR, 0])
    expect(() => probe.call('statfs')).toThrow(expect.objectContaining({ code: 'NO_INIT' }))
    probe.call('init', linuxInit)
    expect(probe.node('file')).toBe(2)
  })

  it('has to come first', () => {
    const probe = unspoken()
    expect(() => probe.call('lookup', { name: 'file' })).toThrow(
      expect.objectContaining({ code: 'NO_INIT' }),
    )
    // What has no reply may come, and is about nothing.
    probe.tell('forget', { count: 1 }, 2)
    probe.tell('interrupt', { unique: 1 })
    expect(tree.calls).toEqual([])
  })

  it('is understood as it was before 7.36, without flags2', () => {
    const probe = unspoken()
    const body = Buffer.alloc(16)
    body.writeUInt32LE(7, 0)
    body.writeUInt32LE(31, 4)
    body.writeUInt32LE(linuxInit.flags, 12)
    probe.sendRaw(rawRequest(2, 26, body))
    const reply = fieldsOf('init', probe.replies[0]!.bytes)
    expect([reply.minor, reply.flags2, reply.flags !== 0]).toEqual([31, 0, true])
  })

  it('limits the size of requests', () => {
    const reply = unspoken().call('init', { ...linuxInit, maxReadahead: 0xffff_ffff })
    expect(reply).toMatchObject<Partial<R<'init'>>>({
      maxWrite: IO_BYTES_MAX,
      maxPages: IO_BYTES_MAX / 4096,
      maxReadahead: IO_BYTES_MAX,
      timeGran: 1,
    })
    expect(unspoken().call('init', { ...linuxInit, maxReadahead: 4096 }).maxReadahead).toBe(4096)
  })

  it('agrees to nothing that was not offered', () => {
    expect(agreed({ caching: 'loose' }, { ...linuxInit, flags: 0, flags2: 0 })).toEqual([])
  })

  it('of a session ends the one before: nodes and files are gone, and no number comes again', () => {
    const probe = new FuseProbe(tree)
    const before = probe.node('file')
    const fh = probe.open(before)
    probe.call('init', linuxInit)
    expect([tree.uses, tree.openFiles]).toEqual([1, 0])
    expect(probe.errnoOf('getattr', {}, { nodeid: before })).toBe(errno.ESTALE)
    expect(probe.errnoOf('read', { fh, size: 1 })).toBe(errno.EBADF)
    expect(probe.node('file')).toBeGreaterThan(before)
    expect(probe.open(probe.node('file'))).toBeGreaterThan(fh)
  })
})

describe('DESTROY', () => {
  it('ends a session, and another may follow', () => {
    const probe = new FuseProbe(tree)
    probe.open(probe.node('file'))
    probe.call('destroy')
    expect([tree.uses, tree.openFiles, tree.faults]).toEqual([0, 0, []])
    expect(() => probe.call('statfs')).toThrow(expect.objectContaining({ code: 'NO_INIT' }))
    probe.call('init', linuxInit)
    probe.call('statfs')
    expect(probe.log).toEqual([])
  })
})

describe('a caching mode', () => {
  const cases: readonly [Caching, readonly string[]][] = [
    ['none', ['DIRECT_IO_ALLOW_MMAP']],
    ['mmap', ['DO_READDIRPLUS', 'READDIRPLUS_AUTO', 'CACHE_SYMLINKS']],
    ['loose', ['DO_READDIRPLUS', 'CACHE_SYMLINKS']],
  ]

  it.each(cases)('%s agrees to what suits it', (caching, flags) => {
    expect(new Set(agreed({ caching, remoteLocks: false }))).toEqual(new Set([...always, ...flags]))
  })

  it.each([
    ['remoteLocks', ['POSIX_LOCKS', 'FLOCK_LOCKS']],
    ['writeback', ['WRITEBACK_CACHE']],
    ['acls', ['DONT_MASK', 'POSIX_ACL']],
  ])('and %s agree to more', (option, flags) => {
    const usual = agreed({ remoteLocks: false })
    const more = agreed({ remoteLocks: false, [option]: true })
    expect(more.filter((flag) => !usual.includes(flag))).toEqual(flags)
  })

  it.each<[Caching, number]>([
    ['none', 0],
    ['mmap', 1],
    ['loose', 86_400],
  ])('%s has names and attributes valid for %i seconds', (caching, seconds) => {
    const probe = new FuseProbe(tree, { caching })
    const { nodeid, entryValid, attrValid } = probe.lookup('file')
    expect([entryValid, attrValid]).toEqual([seconds, seconds])
    expect(probe.call('getattr', {}, { nodeid }).attributes.attrValid).toBe(seconds)
    expect(probe.call('setattr', {}, { nodeid }).attributes.attrValid).toBe(seconds)
    expect(probe.call('statx', {}, { nodeid }).validSec).toBe(seconds)
  })

  it.each<[Caching, number, number]>([
    ['none', opened.DIRECT_IO | opened.PARALLEL_DIRECT_WRITES, 0],
    ['mmap', 0, 0],
    ['loose', opened.KEEP_CACHE, opened.KEEP_CACHE | opened.CACHE_DIR],
  ])('%s opens files and directories with its flags', (caching, file, directory) => {
    const probe = new FuseProbe(tree, { caching })
    expect(probe.call('open', {}, { nodeid: probe.node('file') }).openFlags).toBe(file)
    expect(probe.call('opendir').openFlags).toBe(directory)
    expect(probe.call('create', { name: 'new' }).openFlags).toBe(file)
  })

  it.each<[Caching, string]>([
    ['none', 'ENOENT'],
    ['mmap', 'ENOENT'],
    ['loose', 'to be remembered for 86400 seconds'],
  ])('%s answers a name that does not exist: %s', (caching, expected) => {
    const probe = new FuseProbe(tree, { caching })
    expect(missing(probe)).toBe(expected)
    // Any other failure is one in each mode.
    const nodeid = probe.node('file')
    expect(probe.errnoOf('lookup', { name: 'none' }, { nodeid })).toBe(errno.ENOTDIR)
  })
})

function missing(probe: FuseProbe): string {
  try {
    const { nodeid, entryValid } = probe.lookup('none')
    return nodeid === 0 ? `to be remembered for ${entryValid} seconds` : 'is there'
  } catch (error) {
    return (error as ErrnoError).code
  }
}
