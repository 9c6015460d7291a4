import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { modes, openFlags, renameFlags } from '../../src/tree/flags.ts'
import {
  OPEN_KILL_SUIDGID,
  setattr as bits,
  write as writeFlags,
} from '../../src/fuse/wire/flags.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { FuseHostProbe } from '../support/fuse/host-probe.ts'
import { payload } from '../support/fuse/requests.ts'
import { memoryFolder } from '../support/memory-folder.ts'
import { afterwards, needsRoot, temporaryDirectory } from '../support/temporary.ts'

const { EXCHANGE, NOREPLACE, WHITEOUT } = renameFlags
const { RDWR, WRONLY, TRUNC } = openFlags
/** A user who is not root. */
const someone = { uid: 1000, gid: 1001 }

let directory: string
let probe: FuseHostProbe

const path = (name: string): string => join(directory, name)
const content = (name: string): string => readFileSync(path(name), 'latin1')
const modeOf = (name: string): number => lstatSync(path(name)).mode & modes.PERMISSIONS

beforeEach(() => {
  directory = temporaryDirectory()
  writeFileSync(path('a'), 'of a')
  writeFileSync(path('b'), 'of b')
  mkdirSync(path('left'))
  mkdirSync(path('right'))
  writeFileSync(path('left/inner'), 'of left')
  writeFileSync(path('right/inner'), 'of right')
  probe = new FuseHostProbe(directory)
})

/** The content of a node's file, by its number alone. */
function read(nodeid: number): string {
  const fh = probe.open(nodeid)
  const text = probe.read(fh)
  probe.call('release', { fh }, { nodeid })
  return text
}

function rename2(oldname: string, newname: string, flags: number, from = 1, newdir = 1): number {
  return probe.errnoOf('rename2', { newdir, flags, oldname, newname }, { nodeid: from })
}

describe('RENAME2', () => {
  it('with NOREPLACE leaves what has the name', () => {
    expect(rename2('a', 'b', NOREPLACE)).toBe(errno.EEXIST)
    expect([content('a'), content('b')]).toEqual(['of a', 'of b'])
    const a = probe.node('a')
    expect(rename2('a', 'c', NOREPLACE)).toBe(0)
    expect([existsSync(path('a')), probe.node('c'), read(a)]).toEqual([false, a, 'of a'])
  })

  it('without flags replaces it', () => {
    const [a, b] = [probe.node('a'), probe.node('b')]
    expect(rename2('a', 'b', 0)).toBe(0)
    expect([probe.node('b'), read(a), read(b)]).toEqual([a, 'of a', 'of b'])
  })

  it.each([0x8, EXCHANGE | NOREPLACE, EXCHANGE | WHITEOUT, 0xffff_fff8])(
    'with flags %i is EINVAL',
    (flags) => {
      expect(rename2('a', 'b', flags)).toBe(errno.EINVAL)
      expect([content('a'), content('b')]).toEqual(['of a', 'of b'])
    },
  )

  it.each([
    ['both', ['a', 'b']],
    ['the first', ['a']],
    ['the second', ['b']],
    ['neither', []],
  ])('with EXCHANGE, where the client knows %s, each file keeps its number', (_which, known) => {
    const before = new Map(known.map((name) => [name, probe.node(name)]))
    expect(rename2('a', 'b', EXCHANGE)).toBe(0)
    expect([content('a'), content('b')]).toEqual(['of b', 'of a'])
    for (const [name, nodeid] of before) {
      expect(read(nodeid)).toBe(`of ${name}`)
      expect(probe.node(name === 'a' ? 'b' : 'a')).toBe(nodeid)
    }
    expect([read(probe.node('a')), read(probe.node('b'))]).toEqual(['of b', 'of a'])
  })

  it('with EXCHANGE keeps files known whose descriptors were given back', () => {
    probe = new FuseHostProbe(directory, { descriptors: 16 })
    const [a, b] = [probe.node('a'), probe.node('left/inner')]
    const left = probe.node('left')
    for (let i = 0; i < 50; i++) writeFileSync(path(`${i}`), '')
    for (let i = 0; i < 50; i++) probe.node(`${i}`)
    probe.settle()
    expect(rename2('a', 'inner', EXCHANGE, 1, left)).toBe(0)
    expect([read(a), read(b)]).toEqual(['of a', 'of left'])
    expect([probe.node('left/inner'), probe.node('a')]).toEqual([a, b])
  })

  it('with EXCHANGE of directories takes along what lies in them', () => {
    const [left, right] = [probe.node('left'), probe.node('right')]
    const [of1, of2] = [probe.node('left/inner'), probe.node('right/inner')]
    expect(rename2('left', 'right', EXCHANGE)).toBe(0)
    expect([probe.node('right'), probe.node('left')]).toEqual([left, right])
    expect([read(of1), read(of2)]).toEqual(['of left', 'of right'])
    expect([probe.node('right/inner'), probe.node('left/inner')]).toEqual([of1, of2])
    expect(probe.node('..', left)).toBe(1)
  })

  it('with EXCHANGE of a file and a directory in another directory', () => {
    const [left, right, inner] = [probe.node('left'), probe.node('right'), probe.node('left/inner')]
    expect(rename2('inner', 'right', EXCHANGE, left, 1)).toBe(0)
    expect([probe.node('left/inner'), probe.node('right')]).toEqual([right, inner])
    expect([probe.node('..', right), read(inner)]).toEqual([left, 'of left'])
  })

  it('with EXCHANGE of a directory and what lies in it is EINVAL', () => {
    const left = probe.node('left')
    expect(rename2('left', 'inner', EXCHANGE, 1, left)).toBe(errno.EINVAL)
    expect(rename2('none', 'a', EXCHANGE)).toBe(errno.ENOENT)
    expect(rename2('a', 'none', EXCHANGE)).toBe(errno.ENOENT)
    expect([read(probe.node('left/inner')), read(probe.node('a'))]).toEqual(['of left', 'of a'])
  })

  it('with EXCHANGE leaves no descriptor and no node behind', () => {
    const before = openDescriptors()
    for (const name of ['a', 'b', 'left', 'right']) probe.node(name)
    rename2('a', 'b', EXCHANGE)
    rename2('left', 'right', EXCHANGE)
    rename2('a', 'left', EXCHANGE)
    probe.session.close()
    expect(openDescriptors()).toBeLessThanOrEqual(before)
  })

  it('with WHITEOUT leaves a whiteout where the file was', () => {
    needsRoot('makes a device')
    const a = probe.node('a')
    expect(rename2('a', 'moved', WHITEOUT)).toBe(0)
    const { attributes } = probe.lookup('a')
    expect([attributes.mode & modes.TYPE, attributes.rdev]).toEqual([modes.CHAR, 0])
    expect([probe.node('moved'), read(a)]).toEqual([a, 'of a'])
    expect(probe.errnoOf('unlink', { name: 'a' })).toBe(0)
  })

  it('checks both names, and both directories', () => {
    for (const name of ['', '.', '..', 'a/b']) {
      expect(rename2(name, 'c', 0)).toBe(errno.EINVAL)
      expect(rename2('a', name, 0)).toBe(errno.EINVAL)
    }
    expect(rename2('a', 'n'.repeat(256), 0)).toBe(errno.ENAMETOOLONG)
    expect(rename2('a', 'c', 0, 1, 4711)).toBe(errno.ESTALE)
    expect(rename2('a', 'c', 0, 4711, 1)).toBe(errno.ESTALE)
    expect(probe.errnoOf('rename', { newdir: 4711, oldname: 'a', newname: 'c' })).toBe(errno.ESTALE)
  })
})

describe('RENAME2 with WHITEOUT of files that have their owners beside them', () => {
  beforeEach(() => {
    directory = temporaryDirectory(memoryFolder)
    writeFileSync(path('a'), 'of a')
    writeFileSync(path('b'), 'of b')
    mkdirSync(path('left'))
    probe = new FuseHostProbe(directory, { owner: 'mapped-xattr' })
  })

  it('makes a whiteout for the guest, and no device on the host', () => {
    const a = probe.node('a')
    expect(rename2('a', 'moved', WHITEOUT)).toBe(0)
    const { attributes } = probe.lookup('a')
    expect([attributes.mode & modes.TYPE, attributes.rdev, attributes.uid]).toEqual([
      modes.CHAR,
      0,
      0,
    ])
    expect([probe.node('moved'), read(a)]).toEqual([a, 'of a'])
    expect(lstatSync(path('a')).isFile()).toBe(true)
    expect(readdirSync(directory).toSorted()).toEqual(['a', 'b', 'left', 'moved'])
  })

  it('replaces another file, or with NOREPLACE does not', () => {
    const [a, left] = [probe.node('a'), probe.node('left')]
    expect(rename2('a', 'b', WHITEOUT | NOREPLACE)).toBe(errno.EEXIST)
    expect([content('a'), content('b'), probe.node('a')]).toEqual(['of a', 'of b', a])
    expect(rename2('a', 'b', WHITEOUT)).toBe(0)
    expect([content('b'), probe.node('b')]).toEqual(['of a', a])
    expect(rename2('b', 'in', WHITEOUT, 1, left)).toBe(0)
    expect([read(a), content('left/in')]).toEqual(['of a', 'of a'])
    expect(readdirSync(directory).toSorted()).toEqual(['a', 'b', 'left'])
  })

  it('of what is not there, or to where it cannot be, leaves nothing', () => {
    expect(rename2('none', 'c', WHITEOUT)).toBe(errno.ENOENT)
    expect(rename2('a', 'left', WHITEOUT)).toBe(errno.EISDIR)
    expect(rename2('a', 'b', WHITEOUT | EXCHANGE)).toBe(errno.EINVAL)
    expect(rename2('left', 'x', WHITEOUT, 1, probe.node('left'))).toBe(errno.EINVAL)
    expect(readdirSync(directory).toSorted()).toEqual(['a', 'b', 'left'])
    expect([content('a'), content('b')]).toEqual(['of a', 'of b'])
  })
})

describe('TMPFILE', () => {
  beforeEach(() => {
    // Some file systems have none, such as an overlayfs before Linux 6.1.
    directory = temporaryDirectory(memoryFolder)
    probe = new FuseHostProbe(directory)
  })

  it('makes a file without a name, which can be written and read', () => {
    const { entry, fh } = probe.call('tmpfile', { flags: RDWR, mode: 0o640 }, someone)
    probe.write(fh, 0, 'content')
    expect([probe.read(fh), readdirSync(directory)]).toEqual(['content', []])
    const { mode, nlink, size } = probe.call('getattr', {}, entry).attributes.attributes
    expect([mode, nlink, size]).toEqual([modes.FILE | 0o640, 0, 7])
    probe.call('release', { fh }, entry)
    probe.tell('forget', { count: 1 }, entry.nodeid)
    expect(probe.session.nodes.size).toBe(1)
  })

  it('that gets a name keeps its number, and is found by it', () => {
    const { entry, fh } = probe.call('tmpfile', { flags: RDWR, mode: 0o600 })
    probe.write(fh, 0, 'content')
    const linked = probe.call('link', { oldnodeid: entry.nodeid, name: 'named' })
    expect([linked.entry.nodeid, linked.entry.attributes.nlink]).toEqual([entry.nodeid, 1])
    expect([probe.node('named'), content('named')]).toEqual([entry.nodeid, 'content'])
    probe.call('release', { fh }, entry)
    expect(rename2('named', 'renamed', 0)).toBe(0)
    expect([probe.node('renamed'), read(entry.nodeid)]).toEqual([entry.nodeid, 'content'])
    probe.call('unlink', { name: 'renamed' })
    expect(read(entry.nodeid)).toBe('content')
  })

  it('that got a name gives its descriptor back like any other', () => {
    probe = new FuseHostProbe(directory, { descriptors: 16 })
    const nodes = Array.from({ length: 40 }, (_, i) => {
      const { entry, fh } = probe.call('tmpfile', { flags: RDWR, mode: 0o600 })
      probe.write(fh, 0, `${i}`)
      probe.call('link', { oldnodeid: entry.nodeid, name: `${i}` })
      probe.call('release', { fh }, entry)
      return entry.nodeid
    })
    for (const [i, nodeid] of nodes.entries()) expect(read(nodeid)).toBe(`${i}`)
  })

  it('has as many as the client likes at once, in one directory', () => {
    const files = [0, 1, 2].map(() => probe.call('tmpfile', { flags: RDWR, mode: 0o600 }))
    for (const [i, { fh }] of files.entries()) probe.write(fh, 0, `${i}`)
    expect(files.map(({ fh }) => probe.read(fh))).toEqual(['0', '1', '2'])
    expect(new Set(files.map(({ entry }) => entry.nodeid)).size).toBe(3)
  })

  it('is owned as any new file, also where owners are kept beside files', () => {
    needsRoot('gives files away')
    const { entry } = probe.call('tmpfile', { flags: RDWR, mode: 0o4755 }, someone)
    expect(entry.attributes).toMatchObject({ ...someone, mode: modes.FILE | 0o4755 })
    const mapped = new FuseHostProbe(directory, { owner: 'mapped-xattr' })
    const other = mapped.call('tmpfile', { flags: RDWR, mode: 0o4755 }, someone)
    expect(other.entry.attributes).toMatchObject({ ...someone, mode: modes.FILE | 0o4755 })
    mapped.call('link', { oldnodeid: other.entry.nodeid, name: 'named' })
    expect(modeOf('named')).toBe(0o600)
  })

  it('needs a directory', () => {
    writeFileSync(path('file'), '')
    const nodeid = probe.node('file')
    expect(probe.errnoOf('tmpfile', { flags: RDWR }, { nodeid })).toBe(errno.ENOTDIR)
    expect(probe.errnoOf('tmpfile', { flags: RDWR }, { nodeid: 4711 })).toBe(errno.ESTALE)
  })
})

describe('a new file', () => {
  it('belongs to the process that makes it', () => {
    needsRoot('gives files away')
    const made = [
      probe.call('mkdir', { name: 'd', mode: 0o750 }, someone),
      probe.call('mknod', { name: 'f', mode: modes.FILE | 0o640 }, someone),
      probe.call('symlink', { name: 's', target: 't' }, someone),
      probe.call('create', { name: 'c', mode: 0o4711, flags: RDWR }, someone),
    ]
    for (const { entry } of made) expect(entry.attributes).toMatchObject(someone)
    expect(['d', 'f', 'c'].map(modeOf)).toEqual([0o750, 0o640, 0o4711])
  })

  it('in a directory with a setgid bit gets its group, and a directory the bit', () => {
    needsRoot('gives files away')
    probe.call('mkdir', { name: 'd', mode: 0o2775 }, { uid: 0, gid: 77 })
    const nodeid = probe.node('d')
    const who = { nodeid, ...someone }
    probe.call('mkdir', { name: 'd', mode: 0o755 }, who)
    probe.call('mknod', { name: 'f', mode: modes.FILE | 0o640 }, who)
    probe.call('symlink', { name: 's', target: 't' }, who)
    probe.call('create', { name: 'c', mode: 0o644, flags: RDWR }, who)
    for (const name of ['d', 'f', 's', 'c']) {
      expect(lstatSync(path(`d/${name}`))).toMatchObject({ uid: someone.uid, gid: 77 })
    }
    expect(['d/d', 'd/f', 'd/c'].map(modeOf)).toEqual([0o2755, 0o640, 0o644])
  })

  it('keeps the mode that the client has masked', () => {
    probe.call('mkdir', { name: 'd', mode: 0o777, umask: 0o077 })
    probe.call('create', { name: 'c', mode: 0o666, umask: 0o077, flags: RDWR })
    expect([modeOf('d'), modeOf('c')]).toEqual([0o777, 0o666])
  })

  it('is made with its device number', () => {
    needsRoot('makes a device')
    // 259:1048575 as new_encode_dev of Linux has it.
    const rdev = (0xff | (259 << 8) | (0xfff00 << 12)) >>> 0
    const { entry } = probe.call('mknod', { name: 'dev', mode: modes.CHAR | 0o600, rdev })
    expect(entry.attributes.rdev).toBe(rdev)
    expect(probe.call('statx', {}, entry).statx.rdev).toBe(rdev)
  })

  it.each(['', '.', '..', 'a/b'])('has no name such as “%s”', (name) => {
    expect([
      probe.errnoOf('mkdir', { name }),
      probe.errnoOf('mknod', { name, mode: modes.FILE }),
      probe.errnoOf('symlink', { name, target: 't' }),
      probe.errnoOf('create', { name, flags: RDWR }),
      probe.errnoOf('link', { name, oldnodeid: probe.node('a') }),
      probe.errnoOf('unlink', { name }),
      probe.errnoOf('rmdir', { name }),
    ]).toEqual(Array.from({ length: 7 }, () => errno.EINVAL))
  })

  it('that exists is opened by CREATE without EXCL, and is EEXIST with it', () => {
    const { entry, fh } = probe.call('create', { name: 'a', flags: RDWR, mode: 0o600 })
    expect([entry.nodeid, probe.read(fh)]).toEqual([probe.node('a'), 'of a'])
    const { EXCL } = openFlags
    expect(probe.errnoOf('create', { name: 'a', flags: RDWR | EXCL })).toBe(errno.EEXIST)
    probe.call('create', { name: 'a', flags: RDWR | TRUNC })
    expect(content('a')).toBe('')
  })

  it('is removed by UNLINK or RMDIR, each for its own', () => {
    expect(probe.errnoOf('unlink', { name: 'left' })).toBe(errno.EISDIR)
    expect(probe.errnoOf('rmdir', { name: 'a' })).toBe(errno.ENOTDIR)
    expect(probe.errnoOf('rmdir', { name: 'left' })).toBe(errno.ENOTEMPTY)
    probe.call('unlink', { name: 'inner' }, { nodeid: probe.node('left') })
    probe.call('rmdir', { name: 'left' })
    expect(probe.errnoOf('lookup', { name: 'left' })).toBe(errno.ENOENT)
  })
})

describe('a symlink', () => {
  it.each(['target', '/abs/olute', '../..', 't'.repeat(4095), '\u00ff\n %'])(
    'has the target it was given',
    (target) => {
      const { entry } = probe.call('symlink', { name: 'link', target })
      const { memory, offset, length } = probe.call('readlink', {}, entry).data
      expect(memory.bytes.toString('latin1', offset, offset + length)).toBe(target)
      expect(readlinkSync(path('link'), 'latin1')).toBe(target)
      expect(entry.attributes.size).toBe(target.length)
    },
  )

  it('needs a target, and one that is not too long', () => {
    expect(probe.errnoOf('symlink', { name: 'link', target: '' })).toBe(errno.ENOENT)
    expect(probe.errnoOf('symlink', { name: 'link', target: 't'.repeat(4096) })).toBe(
      errno.ENAMETOOLONG,
    )
    expect(probe.errnoOf('symlink', { name: 'a', target: 't' })).toBe(errno.EEXIST)
    expect(probe.errnoOf('readlink', {}, { nodeid: probe.node('a') })).toBe(errno.EINVAL)
  })
})

describe('setuid and setgid bits', () => {
  beforeEach(() => {
    needsRoot('writes as root of the guest')
    chmodSync(path('a'), 0o6755)
  })

  it('stay where root writes', () => {
    const fh = probe.opened('a', RDWR)
    probe.write(fh, 0, 'x')
    probe.call('fallocate', { fh, length: 10 })
    expect(modeOf('a')).toBe(0o6755)
  })

  it.each(['write', 'truncate', 'truncating open', 'fallocate', 'copyFileRange'])(
    'go with a %s by another user',
    (what) => {
      const nodeid = probe.node('a')
      const flags = what === 'truncating open' ? WRONLY | TRUNC : RDWR
      const fh = probe.open(nodeid, flags, someone)
      const acts: Readonly<Record<string, () => unknown>> = {
        write: () => probe.write(fh, 0, 'x'),
        truncate: () =>
          probe.call('setattr', { valid: bits.SIZE, size: 1 }, { nodeid, ...someone }),
        fallocate: () => probe.call('fallocate', { fh, length: 10 }),
        copyFileRange: () =>
          probe.call('copyFileRange', { fh: probe.opened('b'), fhOut: fh, length: 1 }),
      }
      acts[what]?.()
      expect(modeOf('a')).toBe(0o755)
    },
  )

  it.each(['write', 'truncate', 'truncating open'])(
    'go with a %s of which the client says so, whoever it is',
    (what) => {
      const nodeid = probe.node('a')
      const acts: Readonly<Record<string, () => unknown>> = {
        write: () =>
          probe.call('write', {
            fh: probe.open(nodeid, RDWR),
            writeFlags: writeFlags.KILL_SUIDGID,
            data: payload('x'),
          }),
        truncate: () =>
          probe.call('setattr', { valid: bits.SIZE | bits.KILL_SUIDGID, size: 1 }, { nodeid }),
        'truncating open': () =>
          probe.call('open', { flags: WRONLY | TRUNC, openFlags: OPEN_KILL_SUIDGID }, { nodeid }),
      }
      acts[what]?.()
      expect(modeOf('a')).toBe(0o755)
    },
  )

  it('go with a change of owner', () => {
    probe.call('setattr', { valid: bits.UID, uid: 5 }, { nodeid: probe.node('a') })
    expect(modeOf('a')).toBe(0o755)
  })
})

describe('SETATTR', () => {
  it('changes what its bits say, and nothing else', () => {
    needsRoot('gives files away')
    const nodeid = probe.node('a')
    const all = { mode: 0o640, uid: 5, gid: 6, size: 2, atimeSec: -7, mtimeSec: 8 }
    const times = { atimeNsec: 1, mtimeNsec: 999_999_999 }
    const set = (valid: number): unknown =>
      probe.call('setattr', { ...all, ...times, valid }, { nodeid }).attributes.attributes
    expect(set(bits.MODE)).toMatchObject({ mode: modes.FILE | 0o640, uid: 0, size: 4 })
    expect(set(bits.GID)).toMatchObject({ uid: 0, gid: 6 })
    expect(set(bits.UID)).toMatchObject({ uid: 5 })
    expect(set(bits.SIZE)).toMatchObject({ size: 2 })
    expect(set(bits.ATIME)).toMatchObject({ atimeSec: -7, atimeNsec: 1 })
    expect(set(bits.MTIME)).toMatchObject({ mtimeSec: 8, mtimeNsec: 999_999_999, atimeSec: -7 })
    const { mtimeMs } = statSync(path('a'))
    expect(mtimeMs).toBeLessThan(10_000)
    set(bits.MTIME | bits.MTIME_NOW | bits.ATIME | bits.ATIME_NOW)
    expect(statSync(path('a')).mtimeMs).toBeGreaterThan(10_000)
    expect(content('a')).toBe('of')
  })

  it('truncates through an open file, whatever its mode is by now', () => {
    const nodeid = probe.node('a')
    const fh = probe.open(nodeid, RDWR)
    probe.call('setattr', { valid: bits.MODE, mode: 0 }, { nodeid })
    probe.call('setattr', { valid: bits.SIZE | bits.FH, size: 1, fh }, { nodeid })
    expect(statSync(path('a')).size).toBe(1)
  })

  it('refuses what Linux refuses', () => {
    const { entry } = probe.call('symlink', { name: 'link', target: 't' })
    expect(probe.errnoOf('setattr', { valid: bits.MODE, mode: 0o600 }, entry)).toBe(
      errno.EOPNOTSUPP,
    )
    const left = { nodeid: probe.node('left') }
    expect(probe.errnoOf('setattr', { valid: bits.SIZE, size: 0 }, left)).toBe(errno.EINVAL)
  })
})

describe('the umask of a process, where there may be ACLs', () => {
  const DEFAULT_ACL = 'system.posix_acl_default'
  /** user::rwx,group::r-x,other::--- as a kernel stores it. */
  const acl = Buffer.from('0200000001000700ffffffff04000500ffffffff20000000ffffffff', 'hex')

  beforeEach(() => {
    directory = temporaryDirectory(memoryFolder)
    // As the process that serves has it.
    const umask = process.umask(0)
    afterwards(() => process.umask(umask))
    probe = new FuseHostProbe(directory, { acls: true }, { acls: true })
  })

  it('is applied by the server, since the client leaves it to it', () => {
    probe.call('mkdir', { name: 'd', mode: 0o777, umask: 0o027 })
    probe.call('create', { name: 'c', mode: 0o666, umask: 0o027, flags: RDWR })
    probe.call('mknod', { name: 'f', mode: modes.FILE | 0o666, umask: 0o027 })
    expect(['d', 'c', 'f'].map(modeOf)).toEqual([0o750, 0o640, 0o640])
  })

  it('is not where the directory has a default ACL', () => {
    probe.call('setxattr', { name: DEFAULT_ACL, value: payload(acl) })
    probe.call('create', { name: 'c', mode: 0o666, umask: 0o077, flags: RDWR })
    probe.call('mkdir', { name: 'd', mode: 0o777, umask: 0o077 })
    expect([modeOf('c'), modeOf('d')]).toEqual([0o640, 0o750])
  })

  it('is where such an ACL is kept beside the files: no kernel applies it', () => {
    const policy = { owner: 'mapped-xattr', acls: true } as const
    probe = new FuseHostProbe(directory, policy, { acls: true })
    probe.call('setxattr', { name: DEFAULT_ACL, value: payload(acl) })
    const { entry } = probe.call('create', { name: 'c', mode: 0o666, umask: 0o077, flags: RDWR })
    expect(entry.attributes.mode & modes.PERMISSIONS).toBe(0o600)
  })
})
