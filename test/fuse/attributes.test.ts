import { linkSync, lstatSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { payloadBytes } from '../../src/sys/memory.ts'
import { XATTR_SIZE_MAX } from '../../src/tree/limits.ts'
import { xattrFlags } from '../../src/tree/flags.ts'
import type { R } from '../../src/fuse/wire/messages.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { FuseProbe } from '../support/fuse/fuse-probe.ts'
import { FuseHostProbe } from '../support/fuse/host-probe.ts'
import { payload } from '../support/fuse/requests.ts'
import { memoryFolder } from '../support/memory-folder.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const BILLION = 1_000_000_000n

let directory: string
let probe: FuseHostProbe

const path = (name: string): string => join(directory, name)

beforeEach(() => {
  // Its file system keeps users' attributes.
  directory = temporaryDirectory(memoryFolder)
  writeFileSync(path('file'), 'x'.repeat(10_000), { mode: 0o640 })
  mkdirSync(path('folder'))
  symlinkSync('file', path('link'))
  linkSync(path('file'), path('twin'))
  utimesSync(path('folder'), -100.5, 2 ** 33)
  probe = new FuseHostProbe(directory)
})

/** What lstat(2) of the host says, in the words of the protocol. */
function ofHost(name: string) {
  const host = lstatSync(path(name), { bigint: true })
  const seconds = (ns: bigint): number =>
    Number((ns - (((ns % BILLION) + BILLION) % BILLION)) / BILLION)
  const rest = (ns: bigint): number => Number(((ns % BILLION) + BILLION) % BILLION)
  return {
    ino: host.ino,
    size: Number(host.size),
    blocks: Number(host.blocks),
    atimeSec: seconds(host.atimeNs),
    mtimeSec: seconds(host.mtimeNs),
    ctimeSec: seconds(host.ctimeNs),
    atimeNsec: rest(host.atimeNs),
    mtimeNsec: rest(host.mtimeNs),
    ctimeNsec: rest(host.ctimeNs),
    mode: Number(host.mode),
    nlink: Number(host.nlink),
    uid: Number(host.uid),
    gid: Number(host.gid),
    rdev: Number(host.rdev),
    blksize: Number(host.blksize),
    btimeSec: seconds(host.birthtimeNs),
    btimeNsec: rest(host.birthtimeNs),
  }
}

describe('attributes', () => {
  it.each(['file', 'folder', 'link', 'twin'])('of a %s are what lstat(2) says', (name) => {
    const { btimeSec, btimeNsec, ...expected } = ofHost(name)
    const { attributes, nodeid } = probe.lookup(name)
    expect(attributes).toEqual({ ...expected, flags: 0 })
    const got = probe.call('getattr', {}, { nodeid }).attributes
    expect(got.attributes).toEqual({ ...expected, flags: 0 })
    const { statx } = probe.call('statx', {}, { nodeid })
    expect(statx).toEqual({ ...expected, btimeSec, btimeNsec, hasBtime: true })
  })

  it('of an open file are those of the file that was opened', () => {
    const nodeid = probe.node('file')
    const fh = probe.open(nodeid)
    const { attributes } = probe.call('getattr', { flags: 1, fh }, { nodeid: probe.node('folder') })
    expect(attributes.attributes.ino).toBe(lstatSync(path('file'), { bigint: true }).ino)
  })

  it('of a device have its number in both forms', () => {
    const tree = new FakeTree()
    const fill = tree.root.getattr.bind(tree.root)
    const fake = new FuseProbe(tree)
    // Linux's own encoding: 12 bits of major, 20 of minor (new_encode_dev).
    for (const rdev of [0, 0x0103, 0xfff0_0fff, 0xffff_ffff]) {
      tree.root.getattr = (attributes) => {
        fill(attributes)
        attributes.rdev = rdev
      }
      expect(fake.call('getattr').attributes.attributes.rdev).toBe(rdev)
      expect(fake.call('statx').statx.rdev).toBe(rdev)
    }
  })

  it('have no time of birth where the host has none', () => {
    const tree = new FakeTree()
    const { statx } = new FuseProbe(tree).call('statx')
    expect([statx.hasBtime, statx.btimeSec]).toEqual([false, 0])
  })
})

describe('extended attributes', () => {
  let nodeid: number

  beforeEach(() => {
    nodeid = probe.node('file')
  })

  function set(name: string, value: string | Uint8Array, flags = 0): number {
    return probe.errnoOf('setxattr', { name, value: payload(value), flags }, { nodeid })
  }

  const bytes = ({ data }: R<'getxattr'>): Buffer => payloadBytes(data)
  const get = (name: string, size: number): Buffer =>
    bytes(probe.call('getxattr', { name, size }, { nodeid }))
  const list = (size: number): Buffer => bytes(probe.call('listxattr', { size }, { nodeid }))

  it('are set, read, listed and removed', () => {
    expect([set('user.a', 'value'), set('user.b', '')]).toEqual([0, 0])
    expect([get('user.a', 100).toString(), get('user.b', 100).length]).toEqual(['value', 0])
    expect(list(100).toString().split('\0').toSorted()).toEqual(['', 'user.a', 'user.b'])
    probe.call('removexattr', { name: 'user.a' }, { nodeid })
    expect(probe.errnoOf('getxattr', { name: 'user.a', size: 9 }, { nodeid })).toBe(errno.ENODATA)
    expect(probe.errnoOf('removexattr', { name: 'user.a' }, { nodeid })).toBe(errno.ENODATA)
  })

  it('tell their length to a client that asks with a size of 0', () => {
    set('user.a', 'value')
    const length = (reply: Buffer): number[] => [reply.length, reply.readUInt32LE(0)]
    expect([length(get('user.a', 0)), length(list(0))]).toEqual([
      [8, 5],
      [8, 7],
    ])
  })

  it('are ERANGE where the client has too little room, and fit into just enough', () => {
    set('user.a', 'value')
    const refused = [1, 4].map((size) =>
      probe.errnoOf('getxattr', { name: 'user.a', size }, { nodeid }),
    )
    expect(refused).toEqual([errno.ERANGE, errno.ERANGE])
    expect(probe.errnoOf('listxattr', { size: 6 }, { nodeid })).toBe(errno.ERANGE)
    expect([get('user.a', 5).toString(), list(7).toString()]).toEqual(['value', 'user.a\0'])
  })

  it('may be as long as Linux has them, and no longer', () => {
    const most = Buffer.alloc(XATTR_SIZE_MAX, 'x')
    const tree = new FakeTree()
    const fake = new FuseProbe(tree)
    fake.call('setxattr', { name: 'user.a', value: payload(most) })
    expect(bytes(fake.call('getxattr', { name: 'user.a', size: XATTR_SIZE_MAX }))).toEqual(most)
    const longer = payload(Buffer.alloc(XATTR_SIZE_MAX + 1))
    expect(fake.errnoOf('setxattr', { name: 'user.a', value: longer })).toBe(errno.E2BIG)
  })

  it('are created or replaced as the flags say', () => {
    const { CREATE, REPLACE } = xattrFlags
    expect(set('user.a', 'x', REPLACE)).toBe(errno.ENODATA)
    expect(set('user.a', 'x', CREATE)).toBe(0)
    expect(set('user.a', 'y', CREATE)).toBe(errno.EEXIST)
    expect(set('user.a', 'z', REPLACE)).toBe(0)
    expect(set('user.a', 'z', 4)).toBe(errno.EINVAL)
    expect(get('user.a', 9).toString()).toBe('z')
  })

  it('have names as Linux has them', () => {
    for (const name of ['', `user.${'n'.repeat(251)}`]) {
      expect(set(name, 'x')).toBe(errno.ERANGE)
      expect(probe.errnoOf('getxattr', { name, size: 9 }, { nodeid })).toBe(errno.ERANGE)
      expect(probe.errnoOf('removexattr', { name }, { nodeid })).toBe(errno.ERANGE)
    }
    expect(set('btrfs.compression', 'x')).toBe(errno.EOPNOTSUPP)
    expect(set('system.posix_acl_access', 'x')).toBe(errno.EOPNOTSUPP)
  })

  it('are not known to a guest that is to have none: ENOSYS, after which it asks no more', () => {
    const without = new FuseHostProbe(probe, {}, { xattrs: false })
    expect([
      without.errnoOf('getxattr', { name: 'user.a', size: 9 }),
      without.errnoOf('listxattr', { size: 9 }),
      without.errnoOf('setxattr', { name: 'user.a', value: payload('x') }),
      without.errnoOf('removexattr', { name: 'user.a' }),
    ]).toEqual([errno.ENOSYS, errno.ENOSYS, errno.ENOSYS, errno.ENOSYS])
  })
})
