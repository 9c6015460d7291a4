import { constants, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { openFlags } from '../../src/tree/flags.ts'
import { linuxInit, payload } from '../support/fuse/requests.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { openDescriptors, openFiles } from '../support/descriptors.ts'
import { FuseProbe } from '../support/fuse/fuse-probe.ts'
import { FuseHostProbe } from '../support/fuse/host-probe.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** As KEPT in fuse/open-files.ts. */
const KEPT = 64
const RELEASE_FLOCK_UNLOCK = 2

let tree: FakeTree

beforeEach(() => {
  tree = new FakeTree()
})

describe('a file handle', () => {
  let probe: FuseProbe
  let fh: number

  beforeEach(() => {
    probe = new FuseProbe(tree)
    fh = probe.open(probe.node('file'))
  })

  it('stands for one open file until it is released', () => {
    const second = probe.open(probe.node('file'))
    expect([second > fh, tree.openFiles]).toEqual([true, 2])
    probe.call('release', { fh })
    expect([probe.errnoOf('read', { fh, size: 1 }), tree.openFiles]).toEqual([errno.EBADF, 1])
    expect(probe.read(second)).toBe('hello')
    expect(probe.open(probe.node('file'))).toBeGreaterThan(second)
    expect(tree.faults).toEqual([])
  })

  it('that stands for nothing is EBADF to each request that has one', () => {
    const wrong = { fh: 4711 }
    const refused = [
      probe.errnoOf('read', { ...wrong, size: 1 }),
      probe.errnoOf('write', { ...wrong, data: payload('x') }),
      probe.errnoOf('release', wrong),
      probe.errnoOf('releasedir', wrong),
      probe.errnoOf('flush', wrong),
      probe.errnoOf('fsync', wrong),
      probe.errnoOf('fsyncdir', wrong),
      probe.errnoOf('readdir', { ...wrong, size: 100 }),
      probe.errnoOf('readdirplus', { ...wrong, size: 1000 }),
      probe.errnoOf('getlk', { ...wrong, type: 1 }),
      probe.errnoOf('setlk', { ...wrong, type: 1 }),
      probe.errnoOf('setlkw', { ...wrong, type: 1 }),
      probe.errnoOf('fallocate', { ...wrong, length: 1 }),
      probe.errnoOf('lseek', wrong),
      probe.errnoOf('copyFileRange', { ...wrong, fhOut: fh, length: 1 }),
      probe.errnoOf('copyFileRange', { fh, fhOut: 4711, length: 1 }),
      probe.errnoOf('setattr', { ...wrong, valid: 1 << 6 }),
      probe.errnoOf('getattr', { ...wrong, flags: 1 }),
      probe.errnoOf('statx', { ...wrong, flags: 1 }),
    ]
    expect(new Set(refused)).toEqual(new Set([errno.EBADF]))
  })

  it('of 0 stands for nothing on a tree that may be written to', () => {
    const nodeid = probe.node('file')
    expect(probe.errnoOf('read', { size: 1 }, { nodeid })).toBe(errno.EBADF)
    expect(probe.errnoOf('readdir', { size: 1000 })).toBe(errno.EBADF)
    // These may be asked without one by a client that was told that it need not open.
    expect(probe.errnoOf('release', {}, { nodeid })).toBe(0)
    expect(probe.errnoOf('fsync', {}, { nodeid })).toBe(0)
  })

  it('of a directory is EISDIR to what needs a file, and the other way round ENOTDIR', () => {
    const { fh: directory } = probe.call('opendir')
    expect(probe.errnoOf('read', { fh: directory, size: 1 })).toBe(errno.EISDIR)
    expect(probe.errnoOf('setlk', { fh: directory, type: 1 })).toBe(errno.EISDIR)
    expect(probe.errnoOf('readdir', { fh, size: 1000 })).toBe(errno.ENOTDIR)
    probe.call('flush', { fh: directory })
    probe.call('fsyncdir', { fh: directory, flags: 1 })
    expect(tree.calls.at(-1)).toBe('fdatasync')
    probe.call('releasedir', { fh: directory })
    expect(tree.openFiles).toBe(1)
  })

  it('is ENFILE beyond the limit, before anything is opened or made', () => {
    probe = new FuseProbe(tree, { limits: { fids: 2 } })
    const nodeid = probe.node('file')
    probe.open(nodeid)
    probe.open(nodeid)
    tree.calls.length = 0
    expect(probe.errnoOf('open', {}, { nodeid })).toBe(errno.ENFILE)
    expect(probe.errnoOf('opendir')).toBe(errno.ENFILE)
    expect(probe.errnoOf('create', { name: 'new' })).toBe(errno.ENFILE)
    expect(tree.calls).toEqual([])
  })

  it('is gone also when closing it fails, which the client is told', () => {
    tree.closeError = new TypeError('a mistake')
    expect(probe.errnoOf('release', { fh })).toBe(errno.EIO)
    tree.closeError = undefined
    expect(probe.errnoOf('release', { fh })).toBe(errno.EBADF)
    expect([tree.openFiles, tree.faults]).toEqual([0, []])
  })

  it('is written to and synced through', () => {
    expect(probe.call('write', { fh, offset: 3, data: payload('abc') }).size).toBe(3)
    probe.call('fsync', { fh })
    probe.call('fsync', { fh, flags: 1 })
    expect(tree.calls.slice(-3)).toEqual(['write 3 3', 'fsync', 'fdatasync'])
  })

  it('is closed when the session is', () => {
    probe.call('opendir')
    probe.session.close()
    expect([tree.openFiles, tree.uses, tree.faults]).toEqual([0, 0, []])
  })
})

describe('FLUSH', () => {
  it('is ENOSYS where the guest keeps its locks to itself: it then does not ask again', () => {
    const probe = new FuseProbe(tree, { remoteLocks: false })
    const fh = probe.open(probe.node('file'))
    expect(probe.errnoOf('flush', { fh })).toBe(errno.ENOSYS)
  })
})

describe('a read-only tree that is cached', () => {
  let probe: FuseProbe

  beforeEach(() => {
    tree.readOnly = true
    probe = new FuseProbe(tree, { caching: 'loose', remoteLocks: false })
  })

  it('is opened without asking, and read all the same', () => {
    const nodeid = probe.node('file')
    expect(probe.errnoOf('open', {}, { nodeid })).toBe(errno.ENOSYS)
    expect(probe.errnoOf('opendir')).toBe(errno.ENOSYS)
    expect(probe.read(0, 1, 3, nodeid)).toBe('ell')
    const { data } = probe.call('readdir', { size: 4096 })
    expect(data.length).toBeGreaterThan(0)
    expect(probe.errnoOf('readdir', { size: 4096 }, { nodeid })).toBe(errno.ENOTDIR)
    expect(probe.errnoOf('read', { size: 1 })).toBe(errno.EISDIR)
    expect(probe.errnoOf('read', { size: 1 }, { nodeid: 4711 })).toBe(errno.ESTALE)
  })

  it.each([
    ['with a client that has to ask', { init: { ...linuxInit, flags: 0 } }],
    ['in another caching mode', { caching: 'mmap' }],
    ['whose locks are the server’s, which go through a handle', { remoteLocks: true }],
  ] as const)('is opened by asking %s', (_why, options) => {
    probe = new FuseProbe(tree, { caching: 'loose', remoteLocks: false, ...options })
    const fh = probe.open(probe.node('file'))
    expect(probe.read(fh)).toBe('hello')
  })

  it('is opened by asking where a file may be unreadable: an open fails then, and not a read', () => {
    tree.opensAll = false
    expect(probe.read(probe.open(probe.node('file')))).toBe('hello')
    expect(probe.errnoOf('opendir')).toBe(0)
  })

  it('keeps the files open that were read last, and no more of them', () => {
    for (let i = 0; i <= KEPT; i++) {
      tree.root.add(
        `${i}`,
        tree.file(`${i}`, (_offset, { memory, offset }) => memory.bytes.write(`${i}`, offset)),
      )
    }
    const nodes = Array.from({ length: KEPT + 1 }, (_, i) => probe.node(`${i}`))
    const read = (i: number): string => probe.read(0, 0, 10, nodes[i])
    const opens = (): number => tree.calls.filter((call) => call.startsWith('open')).length
    for (let i = 0; i < KEPT; i++) expect(read(i)).toBe(`${i}`)
    expect([tree.openFiles, opens()]).toEqual([KEPT, KEPT])
    // The first one is used again, so the second one is the oldest.
    expect([read(0), read(KEPT), tree.openFiles]).toEqual(['0', `${KEPT}`, KEPT])
    expect([read(0), opens()]).toEqual(['0', KEPT + 1])
    expect([read(1), opens()]).toEqual(['1', KEPT + 2])
    expect(tree.faults).toEqual([])
  })

  it('closes a file that the client forgets, and all at the end', () => {
    const [file, big] = [probe.node('file'), probe.node('big')]
    probe.read(0, 0, 1, file)
    probe.read(0, 0, 1, big)
    probe.tell('forget', { count: 1 }, file)
    expect(tree.openFiles).toBe(1)
    // The same file under its next number.
    expect(probe.read(0, 0, 5, probe.node('file'))).toBe('hello')
    probe.session.close()
    expect([tree.openFiles, tree.uses, tree.faults]).toEqual([0, 0, []])
  })

  it('needs no handle for anything that it allows', () => {
    const nodeid = probe.node('file')
    for (const name of ['release', 'releasedir', 'fsync', 'fsyncdir'] as const) {
      expect(probe.errnoOf(name, {}, { nodeid })).toBe(0)
    }
    expect(probe.errnoOf('getattr', { flags: 1 }, { nodeid })).toBe(0)
    expect(probe.errnoOf('lseek', { whence: 3 }, { nodeid })).toBe(errno.EOPNOTSUPP)
  })
})

describe('an open file of the host', () => {
  let directory: string

  beforeEach(() => {
    directory = temporaryDirectory()
    writeFileSync(join(directory, 'file'), 'content')
    mkdirSync(join(directory, 'folder'))
  })

  /** The flags that it is open with on the host (proc_pid_fdinfo(5)). */
  function hostFlags(): number {
    const fds = openFiles().length
    for (let fd = fds + 20; fd > 2; fd--) {
      let info: string
      try {
        info = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')
      } catch {
        continue
      }
      const flags = Number.parseInt(/flags:\s+(\d+)/.exec(info)![1]!, 8)
      // Not an O_PATH descriptor.
      if (flags % 0o20_000_000 < 0o10_000_000) return flags
    }
    throw new Error('no file is open')
  }

  it.each([
    ['SYNC', openFlags.SYNC | openFlags.DSYNC, constants.O_SYNC],
    ['DSYNC', openFlags.DSYNC, constants.O_DSYNC],
    ['APPEND', openFlags.APPEND, constants.O_APPEND],
  ])('is open with O_%s', (_name, flags, expected) => {
    const probe = new FuseHostProbe(directory)
    probe.opened('file', openFlags.WRONLY | flags)
    const mask = constants.O_SYNC | constants.O_APPEND | openFlags.ACCMODE
    expect(hostFlags() & mask).toBe(expected | constants.O_WRONLY)
  })

  it('holds a descriptor until it is released', () => {
    const probe = new FuseHostProbe(directory)
    const before = openDescriptors()
    const nodeid = probe.node('file')
    const fh = probe.open(nodeid)
    expect(openDescriptors()).toBeGreaterThan(before)
    probe.call('release', { fh, releaseFlags: RELEASE_FLOCK_UNLOCK }, { nodeid })
    probe.tell('forget', { count: 1 }, nodeid)
    expect(openDescriptors()).toBe(before)
  })

  it('is truncated by an open with O_TRUNC, and nothing else is', () => {
    const probe = new FuseHostProbe(directory)
    probe.opened('file', openFlags.RDWR)
    expect(readFileSync(join(directory, 'file'), 'latin1')).toBe('content')
    probe.opened('file', openFlags.WRONLY | openFlags.TRUNC)
    expect(readFileSync(join(directory, 'file'), 'latin1')).toBe('')
  })

  it('without asking gives its descriptors back: all reads, few descriptors', () => {
    for (let i = 0; i < 200; i++) writeFileSync(join(directory, `${i}`), `${i}`)
    const before = openDescriptors()
    const policy = { readOnly: true, descriptors: 100 }
    const probe = new FuseHostProbe(directory, policy, { caching: 'loose', remoteLocks: false })
    const nodes = Array.from({ length: 200 }, (_, i) => probe.node(`${i}`))
    for (const [i, nodeid] of nodes.entries()) expect(probe.read(0, 0, 9, nodeid)).toBe(`${i}`)
    expect(openDescriptors()).toBeLessThanOrEqual(before + 100)
    for (const nodeid of nodes) probe.tell('forget', { count: 1 }, nodeid)
    // The root's, and /proc/self/fd.
    expect(openDescriptors()).toBe(before + 2)
  })

  it('is not what a FIFO, a socket or a device can be', () => {
    const probe = new FuseHostProbe(directory)
    const { entry } = probe.call('mknod', { name: 'fifo', mode: 0o010644 })
    expect(probe.errnoOf('open', {}, entry)).toBe(errno.ENXIO)
  })
})
