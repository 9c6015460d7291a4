import { execFileSync } from 'node:child_process'
import {
  linkSync,
  lstatSync,
  mkdirSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { close, fchown, openat, UNCHANGED } from '../../src/sys/files.ts'
import { threadCredentials } from '../../src/sys/process.ts'
import { statx } from '../../src/sys/statx.ts'
import { afterwards, mountTmpfs, needsRoot, temporaryDirectory } from '../support/temporary.ts'

const O_PATH_NOFOLLOW = 0o10000000 | 0o400000

function pathDescriptor(path: string): number {
  const fd = openat(-100, path, O_PATH_NOFOLLOW)
  afterwards(() => close(fd))
  return fd
}

/** Both answers about one file, in one form. */
function both(path: string): [object, object] {
  const host = lstatSync(path, { bigint: true })
  const found = statx(pathDescriptor(path))
  const { blksize, nlink, uid, gid, mode, ino, size, blocks, rdev, dev } = found
  const nanoseconds = (seconds: number, rest: number): bigint =>
    BigInt(seconds) * 1_000_000_000n + BigInt(rest)
  const times = {
    atime: nanoseconds(found.atimeSec, found.atimeNsec),
    mtime: nanoseconds(found.mtimeSec, found.mtimeNsec),
    ctime: nanoseconds(found.ctimeSec, found.ctimeNsec),
  }
  return [
    {
      blksize,
      nlink,
      uid,
      gid,
      mode,
      ino,
      size,
      blocks,
      rdev: kernel(rdev),
      dev: kernel(dev),
      ...times,
    },
    {
      blksize: Number(host.blksize),
      nlink: Number(host.nlink),
      uid: Number(host.uid),
      gid: Number(host.gid),
      mode: Number(host.mode),
      ino: host.ino,
      size: Number(host.size),
      blocks: Number(host.blocks),
      rdev: host.rdev,
      dev: host.dev,
      atime: host.atimeNs,
      mtime: host.mtimeNs,
      ctime: host.ctimeNs,
    },
  ]
}

/** The kernel's 32-bit device number as libc spells it in 64 bits (makedev(3)). */
function kernel(device: number): bigint {
  const major = BigInt((device >>> 8) & 0xfff)
  const minor = BigInt((device & 0xff) | ((device >>> 12) & 0xfff00))
  return (minor & 0xffn) | (major << 8n) | ((minor & ~0xffn) << 12n)
}

function same(path: string): void {
  const [found, host] = both(path)
  expect(found).toEqual(host)
}

describe('statx', () => {
  it('says of files of every kind what Node says', () => {
    const directory = temporaryDirectory()
    const path = (name: string): string => join(directory, name)
    writeFileSync(path('file'), 'x'.repeat(5000), { mode: 0o4711 })
    linkSync(path('file'), path('second'))
    mkdirSync(path('dir'), { mode: 0o1777 })
    symlinkSync('file', path('link'))
    writeFileSync(path('huge'), '')
    truncateSync(path('huge'), 2 ** 42 + 1)
    writeFileSync(path('old'), '')
    utimesSync(path('old'), -1_000_000.5, 4_000_000_000.25)
    execFileSync('mkfifo', [path('fifo')])
    for (const name of ['file', 'second', 'dir', 'link', 'huge', 'old', 'fifo', ''])
      same(path(name))
    for (const device of ['/dev/null', '/dev/zero', '/dev/urandom']) same(device)
    same('/proc/self/status')
  })

  it('has device numbers above 8 bits, and those of other file systems', () => {
    needsRoot('makes devices')
    const directory = temporaryDirectory()
    for (const [i, [major, minor]] of [
      [259, 3],
      [1, 0xabcde],
      [4095, 0xfffff],
    ].entries()) {
      execFileSync('mknod', [join(directory, `${i}`), 'b', `${major}`, `${minor}`])
      same(join(directory, `${i}`))
    }
    mountTmpfs(join(directory, 'tmpfs'))
    same(join(directory, 'tmpfs'))
  })

  it('knows large owners', () => {
    needsRoot('gives a file away')
    const path = join(temporaryDirectory(), 'f')
    writeFileSync(path, '')
    fchown(pathDescriptor(path), 4_294_967_294, UNCHANGED)
    same(path)
    expect(statx(pathDescriptor(path)).uid).toBe(4_294_967_294)
  })

  it('knows when a file was born, or that the file system does not', () => {
    const path = join(temporaryDirectory(), 'f')
    writeFileSync(path, '')
    const stat = statx(pathDescriptor(path))
    const born = BigInt(stat.btimeSec) * 1_000_000_000n + BigInt(stat.btimeNsec)
    const { birthtimeNs } = lstatSync(path, { bigint: true })
    expect(stat.hasBtime ? born : birthtimeNs).toBe(birthtimeNs)
    expect(statx(pathDescriptor('/proc/self/status')).hasBtime).toBe(false)
  })

  it('of no descriptor is EBADF', () => {
    expect(() => statx(1_000_000)).toThrow(expect.objectContaining({ errno: errno.EBADF }))
  })
})

describe('the credentials of this thread', () => {
  it('are those of the process', () => {
    const umask = process.umask(0o027)
    afterwards(() => process.umask(umask))
    const found = threadCredentials()
    expect(found).toMatchObject({ uid: process.geteuid!(), gid: process.getegid!(), umask: 0o027 })
    needsRoot('has capabilities')
    expect(found).toMatchObject({ fowner: true, chown: true })
  })
})
