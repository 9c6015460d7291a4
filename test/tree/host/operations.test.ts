import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  statfsSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../../src/sys/errno.ts'
import { flags } from '../../../src/9p/index.ts'
import { errnoOf } from '../../support/errors.ts'
import { HostProbe } from '../../support/host-probe.ts'
import { afterwards, needsRoot, temporaryDirectory } from '../../support/temporary.ts'

const { setattr, open } = flags
const WRITE_ONLY = open.WRONLY
const TIMES = setattr.ATIME | setattr.ATIME_SET | setattr.MTIME | setattr.MTIME_SET

let directory: string
let probe: HostProbe

beforeEach(() => {
  directory = temporaryDirectory()
  probe = new HostProbe(directory)
})

function path(name: string): string {
  return join(directory, name)
}

function modeOf(name: string): number {
  return lstatSync(path(name)).mode & 0o7777
}

describe('Tgetattr', () => {
  it('says what stat(2) says', () => {
    writeFileSync(path('f'), 'x'.repeat(10_000), { mode: 0o640 })
    linkSync(path('f'), path('g'))
    mkdirSync(path('d'))
    symlinkSync('somewhere', path('l'))
    for (const name of ['f', 'd', 'l']) {
      const host = lstatSync(path(name), { bigint: true })
      const { qid, valid, gen, dataVersion, ...attributes } = probe.stat(name, 0x3fff)
      expect(attributes).toEqual({
        mode: Number(host.mode),
        uid: Number(host.uid),
        gid: Number(host.gid),
        nlink: Number(host.nlink),
        rdev: Number(host.rdev),
        size: Number(host.size),
        blksize: Number(host.blksize),
        blocks: Number(host.blocks),
        atimeSec: Number(host.atimeNs / 1_000_000_000n),
        atimeNsec: Number(host.atimeNs % 1_000_000_000n),
        mtimeSec: Number(host.mtimeNs / 1_000_000_000n),
        mtimeNsec: Number(host.mtimeNs % 1_000_000_000n),
        ctimeSec: Number(host.ctimeNs / 1_000_000_000n),
        ctimeNsec: Number(host.ctimeNs % 1_000_000_000n),
        btimeSec: Number(host.birthtimeNs / 1_000_000_000n),
        btimeNsec: Number(host.birthtimeNs % 1_000_000_000n),
      })
      expect(qid.path).toBe(host.ino)
      expect(valid).toBe(0xfff)
      expect([gen, dataVersion]).toEqual([0, 0])
    }
  })

  it('says BTIME only where it was asked', () => {
    writeFileSync(path('f'), '')
    expect(probe.stat('f', 0x7ff)).toMatchObject({ valid: 0x7ff, btimeSec: 0 })
  })
})

describe('Tstatfs', () => {
  it('has the host’s numbers and 9P’s own type', () => {
    const host = statfsSync(directory, { bigint: true })
    const found = probe.call('statfs', { fid: 0 })
    expect(found).toMatchObject({ type: 0x01021997, namelen: 255, bsize: Number(host.bsize) })
    expect([found.blocks, found.files]).toEqual([host.blocks, host.files])
    expect(found.fsid).not.toBe(0n)
  })
})

describe('what is created', () => {
  it('has exactly the mode that the client sent, whatever the server’s umask', () => {
    const before = process.umask(0o077)
    afterwards(() => process.umask(before))
    probe = new HostProbe(directory)
    for (const mode of [0o777, 0o666, 0o000, 0o1777, 0o4755, 0o2755, 0o6777]) {
      const name = mode.toString(8)
      probe.create('', `f${name}`, mode)
      probe.call('mkdir', { dfid: 0, name: `d${name}`, mode: 0o40000 | mode, gid: 0 })
      expect([modeOf(`f${name}`), modeOf(`d${name}`)]).toEqual([mode, mode])
    }
  })

  it('belongs to the user that attached and to the group that the client chose', () => {
    needsRoot('gives files away')
    probe.attach(500, 1234)
    const fid = (): number => {
      probe.call('walk', { fid: 500, newfid: 501, names: [] })
      return 501
    }
    probe.call('lcreate', { fid: fid(), name: 'f', flags: 1, mode: 0o104755, gid: 77 })
    probe.call('clunk', { fid: 501 })
    probe.call('mkdir', { dfid: 500, name: 'd', mode: 0o42755, gid: 77 })
    probe.call('symlink', { dfid: 500, name: 'l', symtgt: 't', gid: 77 })
    for (const name of ['f', 'd', 'l']) {
      const { uid, gid } = lstatSync(path(name))
      expect([name, uid, gid]).toEqual([name, 1234, 77])
    }
    // chown(2) clears these; they are set again.
    expect([modeOf('f'), modeOf('d')]).toEqual([0o4755, 0o2755])
  })

  it('in a setgid directory is what the client and the host make of it', () => {
    needsRoot('gives files away')
    mkdirSync(path('shared'))
    chmodSync(path('shared'), 0o2777)
    const shared = probe.fid('shared')
    probe.call('mkdir', { dfid: shared, name: 'd', mode: 0o42755, gid: 88 })
    expect([modeOf('shared/d'), statSync(path('shared/d')).gid]).toEqual([0o2755, 88])
  })

  it('belongs to the server’s user where owners are mapped', () => {
    probe = new HostProbe(directory, { owner: { uid: 5, gid: 6 } })
    probe.create('', 'f', 0o600, 2, 6)
    expect(statSync(path('f'))).toMatchObject({ uid: process.getuid!(), gid: process.getgid!() })
    expect(probe.stat('f')).toMatchObject({ uid: 5, gid: 6 })
    probe.call('mkdir', { dfid: 0, name: 'd', mode: 0o755, gid: 6 })
    expect(statSync(path('d')).uid).toBe(process.getuid!())
    // A change of ownership has no effect and is no error.
    probe.setattr(probe.fid('f'), setattr.UID | setattr.GID, { uid: 7, gid: 8 })
    expect(statSync(path('f')).uid).toBe(process.getuid!())
    expect(probe.stat('f')).toMatchObject({ uid: 5, gid: 6 })
  })

  it('is opened as it was asked for, also with a mode that forbids it', () => {
    const fid = probe.create('', 'f', 0o000, open.RDWR)
    expect(probe.write(fid, 0, 'text')).toBe(4)
    expect(probe.read(fid).toString()).toBe('text')
    const readOnly = probe.create('', 'g', 0o644, open.RDONLY)
    expect(errnoOf(() => probe.write(readOnly, 0, 'x'))).toBe(errno.EBADF)
  })

  it('may be there already, unless it must not be', () => {
    writeFileSync(path('f'), 'old text', { mode: 0o600 })
    const fid = probe.create('', 'f', 0o777, open.RDWR | open.CREAT)
    expect(probe.read(fid).toString()).toBe('old text')
    expect(modeOf('f')).toBe(0o600)
    probe.create('', 'f', 0o777, open.RDWR | open.CREAT | open.TRUNC)
    expect(readFileSync(path('f'), 'utf8')).toBe('')
    const exclusive = open.RDWR | open.CREAT | open.EXCL
    expect(errnoOf(() => probe.create('', 'f', 0o777, exclusive))).toBe(errno.EEXIST)
    mkdirSync(path('d'))
    expect(errnoOf(() => probe.create('', 'd', 0o777, open.RDWR))).toBe(errno.EISDIR)
  })

  it('is a symlink with the target as it was sent', () => {
    for (const [name, target] of [
      ['a', '../x'],
      ['b', '\u00ff'],
      ['c', 't'.repeat(4095)],
    ] as const) {
      probe.call('symlink', { dfid: 0, name, symtgt: target, gid: 0 })
      expect(readlinkSync(path(name), { encoding: 'latin1' })).toBe(target)
      expect(probe.call('readlink', { fid: probe.fid(name) }).target).toBe(target)
    }
    writeFileSync(path('f'), '')
    expect(probe.errnoOf('readlink', { fid: probe.fid('f') })).toBe(errno.EINVAL)
    expect(probe.errnoOf('readlink', { fid: 0 })).toBe(errno.EINVAL)
  })
})

describe('Tread and Twrite', () => {
  it('work on holes, at the end and beyond it', () => {
    const fid = probe.create('', 'f')
    const far = 5_000_000_000
    expect(probe.write(fid, far, 'end')).toBe(3)
    expect(probe.stat('f')).toMatchObject({ size: far + 3 })
    expect(probe.stat('f').blocks).toBeLessThan(100)
    expect(probe.read(fid, 1_000_000, 10)).toEqual(Buffer.alloc(10))
    expect(probe.read(fid, far - 2, 100)).toEqual(Buffer.from('\0\0end'))
    expect(probe.read(fid, far + 3, 100).length).toBe(0)
    expect(probe.read(fid, Number.MAX_SAFE_INTEGER, 100).length).toBe(0)
  })

  it('at the largest offset succeed or are refused, and change nothing else', () => {
    const fid = probe.create('', 'f')
    probe.write(fid, 0, 'text')
    const last = Number.MAX_SAFE_INTEGER
    expect([0, errno.EFBIG, errno.EINVAL]).toContain(errnoOf(() => probe.write(fid, last, 'over')))
    expect(probe.read(fid, last + 1 - 4, 0xffff_ffff).length).toBeLessThanOrEqual(8)
    expect(probe.read(fid, 0, 4).toString()).toBe('text')
  })

  it('bring whole messages, bit for bit', () => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff))
    writeFileSync(path('f'), bytes)
    const fid = probe.opened('f')
    const parts: Buffer[] = []
    for (let offset = 0; offset < bytes.length; offset += parts.at(-1)!.length) {
      parts.push(probe.read(fid, offset, 0xffff_ffff))
    }
    expect(parts.map((part) => part.length).slice(0, 2)).toEqual([131072 - 24, 131072 - 24])
    expect(Buffer.concat(parts).equals(bytes)).toBe(true)

    const copy = probe.create('', 'copy')
    let offset = 0
    for (const part of parts) offset += probe.write(copy, offset, part.toString('latin1'))
    expect(readFileSync(path('copy')).equals(bytes)).toBe(true)
  })

  it('append where the file ends by then', () => {
    writeFileSync(path('f'), 'one,')
    const fid = probe.opened('f', open.WRONLY | open.APPEND)
    const other = openSync(path('f'), 'a')
    writeSync(other, 'two,')
    probe.write(fid, 4, 'three')
    closeSync(other)
    expect(readFileSync(path('f'), 'utf8')).toBe('one,two,three')
  })

  it('are refused where the fid was opened for the other', () => {
    writeFileSync(path('f'), 'x')
    expect(probe.errnoOf('read', { fid: probe.opened('f', WRITE_ONLY), offset: 0, count: 1 })).toBe(
      errno.EBADF,
    )
    expect(errnoOf(() => probe.write(probe.opened('f'), 0, 'x'))).toBe(errno.EBADF)
    expect(errnoOf(() => probe.opened('', WRITE_ONLY))).toBe(errno.EISDIR)
    expect(errnoOf(() => probe.opened('f', open.DIRECTORY))).toBe(errno.ENOTDIR)
    expect(errnoOf(() => probe.opened('f', 3))).toBe(errno.EINVAL)
  })

  it('take O_DIRECT, O_NOCTTY and O_TRUNC as they should', () => {
    writeFileSync(path('f'), 'some text')
    const fid = probe.opened('f', open.DIRECT | open.NOCTTY | open.LARGEFILE | open.NOATIME)
    expect(probe.read(fid, 1, 3).toString()).toBe('ome')
    probe.opened('f', open.WRONLY | open.TRUNC)
    expect(statSync(path('f')).size).toBe(0)
  })
})

describe('Tsetattr', () => {
  it('sets times to the nanosecond, before 1970, to now, or not at all', () => {
    writeFileSync(path('f'), '')
    const fid = probe.fid('f')
    const times = (): unknown[] => {
      const { atimeSec, atimeNsec, mtimeSec, mtimeNsec } = probe.stat('f')
      return [atimeSec, atimeNsec, mtimeSec, mtimeNsec]
    }
    const set = { atimeSec: 1, atimeNsec: 123_456_789, mtimeSec: 2_000_000_000, mtimeNsec: 1 }
    probe.setattr(fid, TIMES, set)
    expect(times()).toEqual([1, 123_456_789, 2_000_000_000, 1])
    const { atimeNs, mtimeNs } = statSync(path('f'), { bigint: true })
    expect([atimeNs, mtimeNs]).toEqual([1_123_456_789n, 2_000_000_000_000_000_001n])

    probe.setattr(fid, TIMES, {
      atimeSec: -1,
      atimeNsec: 999_999_999,
      mtimeSec: -86400,
      mtimeNsec: 0,
    })
    expect(times()).toEqual([-1, 999_999_999, -86400, 0])
    expect(statSync(path('f'), { bigint: true }).atimeNs).toBe(-1n)

    probe.setattr(fid, setattr.ATIME | setattr.ATIME_SET, { atimeSec: 5, mtimeSec: 9 })
    expect(times()).toEqual([5, 0, -86400, 0])

    const before = Date.now() / 1000 - 1
    probe.setattr(fid, setattr.MTIME, { atimeSec: 7, mtimeSec: 7 })
    const { atimeSec, mtimeSec } = probe.stat('f')
    expect(atimeSec).toBe(5)
    expect(mtimeSec).toBeGreaterThan(before)
  })

  it('changes what it names and nothing else', () => {
    needsRoot('changes owners')
    writeFileSync(path('f'), 'text', { mode: 0o640 })
    const fid = probe.fid('f')
    const everything = { mode: 0o777, uid: 3, gid: 4, size: 1, atimeSec: 1, mtimeSec: 1 }
    const before = probe.stat('f')
    probe.setattr(fid, 0, everything)
    expect(probe.stat('f')).toEqual(before)
    probe.setattr(fid, setattr.CTIME, everything)
    expect(probe.stat('f').mode).toBe(before.mode)
    probe.setattr(fid, setattr.UID, everything)
    expect(statSync(path('f'))).toMatchObject({ uid: 3, gid: 0 })
    probe.setattr(fid, setattr.GID, everything)
    expect(statSync(path('f'))).toMatchObject({ uid: 3, gid: 4 })
    probe.setattr(fid, setattr.MODE, { mode: 0o106711 })
    expect(statSync(path('f')).mode).toBe(0o106711)
    expect(readFileSync(path('f'), 'utf8')).toBe('text')
  })

  it('sets setuid bits that the change of owner in the same request would clear', () => {
    needsRoot('changes owners')
    writeFileSync(path('f'), '', { mode: 0o755 })
    probe.setattr(probe.fid('f'), setattr.MODE | setattr.UID, { mode: 0o4755, uid: 9 })
    expect([modeOf('f'), statSync(path('f')).uid]).toEqual([0o4755, 9])
  })

  it('makes files shorter and longer, and only files', () => {
    writeFileSync(path('f'), 'some text')
    mkdirSync(path('d'))
    probe.setattr(probe.fid('f'), setattr.SIZE, { size: 4 })
    expect(readFileSync(path('f'), 'utf8')).toBe('some')
    probe.setattr(probe.fid('f'), setattr.SIZE, { size: 6 })
    expect(readFileSync(path('f'), 'utf8')).toBe('some\0\0')
    probe.setattr(probe.opened('f'), setattr.SIZE, { size: 2 })
    expect(readFileSync(path('f'), 'utf8')).toBe('so')
    expect(errnoOf(() => probe.setattr(probe.fid('d'), setattr.SIZE, { size: 0 }))).toBe(
      errno.EINVAL,
    )
    const huge = { size: Number.MAX_SAFE_INTEGER }
    expect([errno.EFBIG, errno.EINVAL, 0]).toContain(
      errnoOf(() => probe.setattr(probe.fid('f'), setattr.SIZE, huge)),
    )
  })

  it('works on a directory and on a symlink', () => {
    mkdirSync(path('d'))
    symlinkSync('t', path('l'))
    probe.setattr(probe.fid('d'), setattr.MODE | TIMES, { mode: 0o1700, atimeSec: 1, mtimeSec: 2 })
    expect([modeOf('d'), probe.stat('d').mtimeSec]).toEqual([0o1700, 2])
    probe.setattr(probe.fid('l'), TIMES, { atimeSec: 3, mtimeSec: 4 })
    expect(probe.stat('l')).toMatchObject({ atimeSec: 3, mtimeSec: 4 })
  })
})

describe('names', () => {
  function rename(oldname: string, newname: string): number {
    return probe.errnoOf('renameat', { olddirfid: 0, oldname, newdirfid: 0, newname })
  }

  it('can be moved, also over a file that may be replaced', () => {
    for (const name of ['f', 'g']) writeFileSync(path(name), name)
    for (const name of ['empty', 'full', 'other']) mkdirSync(path(name))
    writeFileSync(path('full/x'), '')
    expect(rename('f', 'f')).toBe(0)
    expect(rename('f', 'g')).toBe(0)
    expect(readFileSync(path('g'), 'utf8')).toBe('f')
    expect(rename('g', 'empty')).toBe(errno.EISDIR)
    expect(rename('empty', 'g')).toBe(errno.ENOTDIR)
    expect(rename('other', 'empty')).toBe(0)
    expect(rename('empty', 'full')).toBe(errno.ENOTEMPTY)
    expect(rename('missing', 'g')).toBe(errno.ENOENT)
    const into = probe.fid('full')
    const move = { olddirfid: 0, oldname: 'full', newdirfid: into, newname: 'inside' }
    expect(probe.errnoOf('renameat', move)).toBe(errno.EINVAL)
    probe.call('renameat', { olddirfid: 0, oldname: 'g', newdirfid: into, newname: 'g' })
    expect(probe.names('full')).toEqual(['g', 'x'])
  })

  it('can change without changing the file that a fid stands for', () => {
    mkdirSync(path('d'))
    writeFileSync(path('d/f'), 'text')
    const fid = probe.opened('d/f', open.RDWR)
    const d = probe.fid('d')
    expect(rename('d', 'e')).toBe(0)
    expect(probe.read(fid).toString()).toBe('text')
    probe.write(fid, 4, ' more')
    probe.call('walk', { fid: d, newfid: 800, names: ['f'] })
    expect(readFileSync(path('e/f'), 'utf8')).toBe('text more')
  })

  it('can be several for one file, a symlink included', () => {
    writeFileSync(path('f'), 'text')
    symlinkSync('f', path('l'))
    probe.call('link', { dfid: 0, fid: probe.fid('f'), name: 'g' })
    probe.call('link', { dfid: 0, fid: probe.fid('l'), name: 'm' })
    expect(statSync(path('g')).ino).toBe(statSync(path('f')).ino)
    expect(lstatSync(path('m')).isSymbolicLink()).toBe(true)
    expect(probe.stat('f').nlink).toBe(2)
    const again = { dfid: 0, fid: probe.fid('f'), name: 'g' }
    expect(probe.errnoOf('link', again)).toBe(errno.EEXIST)
    const directoryLink = { dfid: 0, fid: probe.fid(''), name: 'h' }
    expect(probe.errnoOf('link', directoryLink)).toBe(errno.EPERM)
  })

  it('are removed as what they are', () => {
    writeFileSync(path('f'), '')
    mkdirSync(path('d'))
    mkdirSync(path('full'))
    writeFileSync(path('full/x'), '')
    const unlink = (name: string, how: number): number =>
      probe.errnoOf('unlinkat', { dirfid: 0, name, flags: how })
    expect(unlink('f', flags.AT_REMOVEDIR)).toBe(errno.ENOTDIR)
    expect(unlink('d', 0)).toBe(errno.EISDIR)
    expect(unlink('full', flags.AT_REMOVEDIR)).toBe(errno.ENOTEMPTY)
    expect(unlink('missing', 0)).toBe(errno.ENOENT)
    expect(unlink('f', 0)).toBe(0)
    expect(unlink('d', flags.AT_REMOVEDIR)).toBe(0)
    expect(probe.names('')).toEqual(['full'])
  })
})

describe('an unlinked file', () => {
  it('can be read, written, asked and changed as long as its fid lives', () => {
    const fid = probe.create('', 'f', 0o600)
    probe.write(fid, 0, 'text')
    probe.call('unlinkat', { dirfid: 0, name: 'f', flags: 0 })
    expect(existsSync(path('f'))).toBe(false)
    expect(probe.read(fid).toString()).toBe('text')
    expect(probe.call('getattr', { fid, mask: 0x7ff })).toMatchObject({ nlink: 0, size: 4 })
    probe.setattr(fid, setattr.SIZE | setattr.MODE | TIMES, { size: 2, mode: 0o640, mtimeSec: 7 })
    expect(probe.call('getattr', { fid, mask: 0x7ff })).toMatchObject({
      size: 2,
      mode: 0o100640,
      mtimeSec: 7,
    })
    probe.call('fsync', { fid, datasync: 0 })
    // A clone of it is the same file; it can even be opened again.
    probe.call('walk', { fid, newfid: 700, names: [] })
    probe.call('lopen', { fid: 700, flags: 0 })
    expect(probe.read(700).toString()).toBe('te')
    expect(probe.errnoOf('link', { dfid: 0, fid, name: 'back' })).toBe(errno.ENOENT)
  })

  it('also when the host has removed it', () => {
    writeFileSync(path('f'), 'text')
    const fid = probe.fid('f')
    probe.settle()
    unlinkSync(path('f'))
    probe.call('lopen', { fid, flags: open.RDWR })
    expect(probe.read(fid).toString()).toBe('text')
    expect(errnoOf(() => probe.fid('f'))).toBe(errno.ENOENT)
  })

  it('that was a directory can be asked and left', () => {
    mkdirSync(path('d'))
    const fid = probe.fid('d')
    probe.call('unlinkat', { dirfid: 0, name: 'd', flags: flags.AT_REMOVEDIR })
    expect(probe.call('getattr', { fid, mask: 0x7ff }).nlink).toBe(0)
    expect(probe.errnoOf('mkdir', { dfid: fid, name: 'x', mode: 0, gid: 0 })).toBe(errno.ENOENT)
    expect(probe.call('walk', { fid, newfid: 700, names: ['..'] }).qids.length).toBe(1)
  })
})

describe('times of access', () => {
  const old = 1_000_000_000

  /** A file whose time of access any reading would move (relatime: it is not after the others). */
  function oldFile(): void {
    const fd = openSync(path('f'), 'w')
    writeSync(fd, 'text')
    ftruncateSync(fd, 4)
    expect(fstatSync(fd).size).toBe(4)
    closeSync(fd)
    probe.setattr(probe.fid('f'), TIMES, { atimeSec: old, mtimeSec: old + 1 })
  }

  it('stay as they are with `preserve`', () => {
    oldFile()
    for (const how of [0, open.NOATIME]) probe.read(probe.opened('f', how))
    expect(probe.stat('f').atimeSec).toBe(old)
    const before = probe.stat('').atimeSec
    probe.entries(probe.opened(''))
    expect(probe.stat('').atimeSec).toBe(before)
  })

  it('are the guest’s business with `guest`', () => {
    oldFile()
    probe = new HostProbe(directory, { atime: 'guest' })
    probe.read(probe.opened('f', open.NOATIME))
    expect(probe.stat('f').atimeSec).toBe(old)
    probe.read(probe.opened('f'))
    expect(probe.stat('f').atimeSec).toBeGreaterThan(old)
  })
})
