import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../../src/sys/errno.ts'

import { AT_FDCWD, O_PATH, O_RDONLY } from '../../../src/sys/constants.ts'
import { close, openat } from '../../../src/sys/files.ts'
import { getxattr, listxattr, setxattr } from '../../../src/sys/xattr.ts'
import { flags } from '../../../src/9p/index.ts'
import { xattrsOf } from '../../../src/tree/groups.ts'
import { HostTree } from '../../../src/tree/host/host-tree.ts'
import { asOrdinaryUser, built } from '../../support/ordinary-user.ts'
import { errnoOf } from '../../support/errors.ts'
import { HostProbe } from '../../support/host-probe.ts'
import { afterwards, temporaryDirectory } from '../../support/temporary.ts'

const { mode: modes, open, setattr } = flags

let directory: string
let probe: HostProbe

beforeEach(() => {
  directory = temporaryDirectory()
  probe = new HostProbe(directory, { owner: 'mapped-xattr' })
})

function path(name: string): string {
  return join(directory, name)
}

/** What QEMU would find. */
function stored(name: string, attribute: string): number | undefined {
  const fd = openat(AT_FDCWD, path(name), O_PATH)
  try {
    const value = getxattr(fd, `user.virtfs.${attribute}`)
    return attribute === 'rdev' ? Number(value.readBigUInt64LE()) : value.readUInt32LE()
  } catch (error) {
    if ((error as { errno?: number }).errno === errno.ENODATA) return undefined
    throw error
  } finally {
    close(fd)
  }
}

function setStored(name: string, attribute: string, bytes: Buffer): void {
  const fd = openat(AT_FDCWD, path(name), O_RDONLY)
  afterwards(() => close(fd))
  setxattr(fd, `user.virtfs.${attribute}`, bytes, 0)
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

describe('what a guest creates', () => {
  beforeEach(() => {
    probe.attach(500, 1234)
  })

  it('is a file of the server’s, with the guest’s owner and mode beside it', () => {
    probe.call('mkdir', { dfid: 500, name: 'd', mode: 0o42775, gid: 77 })
    probe.call('lcreate', { fid: 500, name: 'f', flags: 2, mode: 0o104711, gid: 77 })
    for (const [name, mode, onHost] of [
      ['d', 0o42775, 0o40700],
      ['f', 0o104711, 0o100600],
    ] as const) {
      expect(statSync(path(name))).toMatchObject({ uid: process.getuid!(), mode: onHost })
      expect(probe.stat(name)).toMatchObject({ uid: 1234, gid: 77, mode })
      const found = ['uid', 'gid', 'mode', 'rdev'].map((attribute) => stored(name, attribute))
      expect(found).toEqual([1234, 77, mode, undefined])
    }
  })

  it('may be a symlink, a regular file on the host with the target inside', () => {
    const target = 'some/where'
    const { qid } = probe.call('symlink', { dfid: 500, name: 'l', symtgt: target, gid: 77 })
    expect(qid.type).toBe(2)
    expect(lstatSync(path('l'))).toMatchObject({ mode: 0o100600, size: target.length })
    expect(readFileSync(path('l'), 'latin1')).toBe(target)
    const fid = probe.fid('l')
    expect(probe.stat('l')).toMatchObject({ mode: 0o120777, uid: 1234, qid: { type: 2 } })
    expect(probe.call('walk', { fid, newfid: 600, names: [] }).qids).toEqual([])
    expect(probe.call('walk', { fid: 0, newfid: 601, names: ['l'] }).qids[0]!.type).toBe(2)
    expect(probe.call('readlink', { fid }).target).toBe(target)
    // It is nothing to be opened, cut or walked through.
    expect(probe.errnoOf('lopen', { fid, flags: open.RDWR })).toBe(errno.ENXIO)
    expect(errnoOf(() => probe.setattr(fid, setattr.SIZE, { size: 1 }))).toBe(errno.EINVAL)
    expect(errnoOf(() => probe.setattr(fid, setattr.MODE, { mode: 0o777 }))).toBe(errno.EOPNOTSUPP)
    expect(probe.errnoOf('walk', { fid, newfid: 602, names: ['x'] })).toBe(errno.ENOTDIR)
    expect(readFileSync(path('l'), 'latin1')).toBe(target)
    const longest = 'x'.repeat(4095)
    probe.call('symlink', { dfid: 500, name: 'long', symtgt: longest, gid: 0 })
    expect(probe.call('readlink', { fid: probe.fid('long') }).target).toBe(longest)
    const again = { dfid: 500, name: 'l', symtgt: 'other', gid: 0 }
    expect(probe.errnoOf('symlink', again)).toBe(errno.EEXIST)
  })

  it.each([
    ['a character device', modes.CHAR, 0x12, 0x345],
    ['a block device', modes.BLOCK, 0xfff, 0xfffff],
    ['a FIFO', modes.FIFO, 0, 0],
    ['a socket', modes.SOCKET, 0, 0],
    ['a file', modes.FILE, 0, 0],
  ])('may be %s', (_what, type, major, minor) => {
    const asked = { dfid: 500, name: 'n', mode: type | 0o640, major, minor, gid: 5 }
    probe.call('mknod', asked)
    expect(statSync(path('n')).mode).toBe(0o100600)
    const { mode, uid, gid, rdev } = probe.stat('n')
    const number = (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)
    expect([mode, uid, gid, rdev]).toEqual([type | 0o640, 1234, 5, number >>> 0])
    const isFile = type === modes.FILE
    expect(probe.errnoOf('lopen', { fid: probe.fid('n'), flags: 0 })).toBe(isFile ? 0 : errno.ENXIO)
    const listed = probe.entries(probe.opened('')).find(({ name }) => name === 'n')!
    expect(listed.type).toBe(0)
  })

  it('is no directory by Tmknod, and nothing by a type that is none', () => {
    for (const type of [modes.DIRECTORY, modes.SYMLINK, 0, modes.TYPE]) {
      const asked = { dfid: 500, name: 'n', mode: type, major: 0, minor: 0, gid: 5 }
      expect(probe.errnoOf('mknod', asked)).toBe(errno.EINVAL)
    }
    expect(probe.names('')).toEqual([])
  })
})

describe('what a guest changes', () => {
  it('is stored beside the file, which stays the server’s on the host', () => {
    writeFileSync(path('f'), 'text')
    chmodSync(path('f'), 0o644)
    const before = statSync(path('f'))
    const fid = probe.fid('f')
    probe.setattr(fid, setattr.UID | setattr.GID, { uid: 0xffff_fffe, gid: 6 })
    probe.setattr(fid, setattr.MODE, { mode: 0o106755 })
    expect(probe.stat('f')).toMatchObject({ uid: 0xffff_fffe, gid: 6, mode: 0o106755 })
    const { uid, gid, mode } = statSync(path('f'))
    expect([uid, gid, mode]).toEqual([before.uid, before.gid, before.mode])
    probe.setattr(fid, setattr.SIZE | setattr.MTIME | setattr.MTIME_SET, { size: 2, mtimeSec: 5 })
    expect(probe.stat('f')).toMatchObject({ size: 2, mtimeSec: 5, mode: 0o106755 })
  })

  it('loses setuid and setgid bits as on any Linux', () => {
    const fid = probe.create('', 'f', 0o755)
    const mode = (): number => probe.stat('f').mode & 0o7777
    const privileged = (): void => probe.setattr(fid, setattr.MODE, { mode: 0o6755 })
    privileged()
    probe.setattr(fid, setattr.UID, { uid: 7 })
    expect(mode()).toBe(0o755)
    probe.setattr(fid, setattr.UID | setattr.MODE, { uid: 8, mode: 0o4755 })
    expect(mode()).toBe(0o4755)
    privileged()
    probe.write(fid, 0, 'root may')
    expect(mode()).toBe(0o6755)

    probe.attach(700, 1000)
    const theirs = (how: number): number => {
      probe.call('walk', { fid: 700, newfid: 701, names: ['f'] })
      probe.call('lopen', { fid: 701, flags: how })
      return 701
    }
    probe.write(theirs(open.WRONLY), 0, 'x')
    expect(mode()).toBe(0o755)
    privileged()
    probe.setattr(701, setattr.SIZE, { size: 1 })
    expect(mode()).toBe(0o755)
    privileged()
    probe.call('clunk', { fid: 701 })
    theirs(open.WRONLY | open.TRUNC)
    expect(mode()).toBe(0o755)
  })
})

describe('what is on the host already', () => {
  it('is shown as it is where nothing is stored', () => {
    writeFileSync(path('f'), '')
    mkdirSync(path('d'))
    symlinkSync('f', path('l'))
    const { uid, gid } = statSync(directory)
    for (const name of ['f', 'd', 'l']) {
      const { mode } = lstatSync(path(name))
      expect(probe.stat(name)).toMatchObject({ uid, gid, mode })
    }
    expect(probe.call('readlink', { fid: probe.fid('l') }).target).toBe('f')
  })

  it('is a directory for the guest only if it is one on the host, and invalid attributes are ignored', () => {
    mkdirSync(path('d'))
    writeFileSync(path('f'), '')
    writeFileSync(path('g'), '')
    for (const type of [modes.FILE, modes.SYMLINK, modes.CHAR]) {
      setStored('d', 'mode', u32(type | 0o711))
      expect(probe.stat('d')).toMatchObject({ mode: 0o40711, qid: { type: 0x80 } })
    }
    setStored('f', 'mode', u32(0o40755))
    expect(probe.stat('f').mode).toBe(0o100755)
    setStored('f', 'mode', u32(0xffff_ffff))
    expect(probe.stat('f').mode).toBe(0o107777)
    setStored('g', 'mode', Buffer.from('odd'))
    setStored('g', 'uid', Buffer.alloc(0))
    expect(probe.stat('g').mode).toBe(statSync(path('g')).mode)
    expect(probe.stat('g').uid).toBe(process.getuid!())
  })

  it('may be a symlink whose target is too long: Treadlink is ENAMETOOLONG', () => {
    writeFileSync(path('l'), 'x'.repeat(5000))
    setStored('l', 'mode', u32(0o120777))
    expect(probe.errnoOf('readlink', { fid: probe.fid('l') })).toBe(errno.ENAMETOOLONG)
  })
})

describe('extended attributes', () => {
  const value = Buffer.from('value')
  const names = (node: { listXattrs(): Uint8Array }): string[] =>
    Buffer.from(node.listXattrs()).toString().split('\0').slice(0, -1).toSorted()

  it('of the format can neither be seen nor set by the guest', () => {
    const fid = probe.create('', 'f')
    probe.call('clunk', { fid })
    const tree = new HostTree(directory, {
      readOnly: false,
      owner: 'mapped-xattr',
      atime: 'preserve',
      acls: true,
    })
    const { node: root } = tree.attach('')
    const node = root.lookup('f', null)
    const file = xattrsOf(node)
    afterwards(() => {
      node.release()
      root.release()
      tree.close()
    })
    file.setXattr('user.mine', value, 0)
    expect(names(file)).toEqual(['user.mine'])
    const before = probe.stat('f')
    for (const name of ['user.virtfs.uid', 'user.virtfs.mode', 'user.virtfs.', 'user.virtfs.x']) {
      expect(errnoOf(() => file.getXattr(name))).toBe(errno.ENODATA)
      expect(errnoOf(() => file.setXattr(name, u32(0), 0))).toBe(errno.EPERM)
      expect(errnoOf(() => file.removeXattr(name))).toBe(errno.ENODATA)
    }
    expect(probe.stat('f')).toMatchObject({ uid: before.uid, mode: before.mode })

    // POSIX ACLs are kept where QEMU keeps them, so that they do not act on the host.
    const acl = 'system.posix_acl_access'
    file.setXattr(acl, value, 0)
    expect(Buffer.from(file.getXattr(acl))).toEqual(value)
    expect(names(file)).toEqual([acl, 'user.mine'])
    const held = openat(AT_FDCWD, path('f'), O_PATH)
    afterwards(() => close(held))
    expect(listxattr(held).toString().split('\0')).toContain(`user.virtfs.${acl}`)
    file.removeXattr(acl)
    expect(names(file)).toEqual(['user.mine'])
  })
})

describe('an ordinary user’s directory', () => {
  it('holds a guest’s chown, devices and setuid files', () => {
    chmodSync(directory, 0o777)
    const script = `
      import { HostTree } from '${built('tree/host/host-tree.js')}'
      import { Attributes } from '${built('tree/attributes.js')}'
      const tree = new HostTree(values, { readOnly: false, owner: 'mapped-xattr', atime: 'preserve' })
      const root = tree.attach('').node
      const owner = { uid: 0, gid: 0 }
      root.mknod('null', 0o020666, { major: 1, minor: 3 }, owner, null)
      root.create('su', 2, 0o4755, owner, null)
      root.lookup('su', null).setattr({ uid: 5, gid: 6 }, null, 0)
      root.lookup('su', null).setattr({ mode: 0o4711 }, null, 0)
      const shown = (name) => {
        const attributes = new Attributes()
        root.lookup(name, attributes)
        const { uid, gid, mode, rdev } = attributes
        return [uid, gid, mode.toString(8), rdev]
      }
      console.log(JSON.stringify([shown('null'), shown('su')]))`
    expect(asOrdinaryUser(script, directory)).toEqual([
      [0, 0, '20666', 0x103],
      [5, 6, '104711', 0],
    ])
    expect(statSync(path('su'))).toMatchObject({ uid: 65534, mode: 0o100600 })
  })
})
