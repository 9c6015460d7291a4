import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../../src/sys/errno.ts'
import { asOrdinaryUser, built, ordinaryId } from '../../support/ordinary-user.ts'
import { HostProbe } from '../../support/host-probe.ts'
import { needsRoot, temporaryDirectory } from '../../support/temporary.ts'

let directory: string
let probe: HostProbe

beforeEach(() => {
  directory = temporaryDirectory()
  probe = new HostProbe(directory)
  writeFileSync(path('f'), 'content')
  mkdirSync(path('d'))
})

function path(name: string): string {
  return join(directory, name)
}

describe('Tremove', () => {
  it('removes files, symlinks and directories', () => {
    symlinkSync('f', path('l'))
    writeFileSync(path('d/inner'), '')
    const directoryFid = probe.fid('d')
    for (const name of ['f', 'l', 'd/inner']) probe.call('remove', { fid: probe.fid(name) })
    probe.call('remove', { fid: directoryFid })
    expect(readdirSync(directory)).toEqual([])
  })

  it('removes the fid’s file, and no other file that has taken its name', () => {
    const fid = probe.fid('f')
    renameSync(path('f'), path('elsewhere'))
    writeFileSync(path('f'), 'another')
    expect(probe.errnoOf('remove', { fid })).toBe(errno.ESTALE)
    expect([readFileSync(path('f'), 'utf8'), existsSync(path('elsewhere'))]).toEqual([
      'another',
      true,
    ])
    const gone = probe.fid('f')
    unlinkSync(path('f'))
    expect(probe.errnoOf('remove', { fid: gone })).toBe(errno.ESTALE)
    expect(probe.errnoOf('clunk', { fid: gone })).toBe(errno.EBADF)
  })

  it('takes the one name of several that the fid was reached by', () => {
    linkSync(path('f'), path('g'))
    probe.call('remove', { fid: probe.fid('g') })
    expect(readdirSync(directory).toSorted()).toEqual(['d', 'f'])
  })

  it('leaves the root and a directory that is not empty', () => {
    writeFileSync(path('d/inner'), '')
    expect(probe.errnoOf('remove', { fid: probe.fid('d') })).toBe(errno.ENOTEMPTY)
    expect(probe.errnoOf('remove', { fid: probe.fid('') })).toBe(errno.EBUSY)
  })
})

describe('Trename', () => {
  it('moves the file, again and again, and the fid goes along', () => {
    const [fid, d] = [probe.fid('f'), probe.fid('d')]
    probe.call('rename', { fid, dfid: d, name: 'first' })
    probe.call('rename', { fid, dfid: 0, name: 'second' })
    probe.call('rename', { fid, dfid: d, name: 'third' })
    expect(readFileSync(path('d/third'), 'utf8')).toBe('content')
    probe.call('remove', { fid })
    expect(readdirSync(path('d'))).toEqual([])
  })

  it('moves a directory, whose `..` is then the new one', () => {
    mkdirSync(path('d/inner'))
    mkdirSync(path('e'))
    const inner = probe.fid('d/inner')
    probe.call('rename', { fid: inner, dfid: probe.fid('e'), name: 'moved' })
    const { qids } = probe.call('walk', { fid: inner, newfid: 99, names: ['..'] })
    expect(qids[0]!.path).toBe(BigInt(lstatSync(path('e')).ino))
  })

  it('replaces as rename(2) does, and is refused as it is', () => {
    writeFileSync(path('g'), 'old')
    probe.call('rename', { fid: probe.fid('f'), dfid: 0, name: 'g' })
    expect(readFileSync(path('g'), 'utf8')).toBe('content')
    const d = probe.fid('d')
    expect(probe.errnoOf('rename', { fid: d, dfid: d, name: 'x' })).toBe(errno.EINVAL)
    expect(probe.errnoOf('rename', { fid: d, dfid: 0, name: 'g' })).toBe(errno.ENOTDIR)
    expect(probe.errnoOf('rename', { fid: probe.fid(''), dfid: d, name: 'x' })).toBe(errno.EBUSY)
  })

  it('moves no other file that has taken the name', () => {
    const fid = probe.fid('f')
    renameSync(path('f'), path('elsewhere'))
    writeFileSync(path('f'), 'another')
    expect(probe.errnoOf('rename', { fid, dfid: 0, name: 'x' })).toBe(errno.ESTALE)
    expect(readdirSync(directory).toSorted()).toEqual(['d', 'elsewhere', 'f'])
  })
})

describe('Tmknod', () => {
  const make = (name: string, mode: number, major = 0, minor = 0): number =>
    probe.errnoOf('mknod', { dfid: 0, name, mode, major, minor, gid: process.getgid!() })

  it('makes FIFOs, sockets and empty files with exactly their mode', () => {
    const before = process.umask(0o077)
    expect([make('fifo', 0o10666), make('socket', 0o140622), make('file', 0o104755)]).toEqual([
      0, 0, 0,
    ])
    process.umask(before)
    const modes = ['fifo', 'socket', 'file'].map((name) => lstatSync(path(name)).mode.toString(8))
    expect(modes).toEqual(['10666', '140622', '104755'])
    expect(make('fifo', 0o10666)).toBe(errno.EEXIST)
  })

  it('makes devices where the host allows, with their numbers', () => {
    needsRoot('makes a device')
    expect([make('null', 0o20666, 1, 3), make('block', 0o60600, 259, 70_000)]).toEqual([0, 0])
    expect([lstatSync(path('null')).rdev, lstatSync(path('block')).rdev]).toEqual([
      0x103,
      ((70_000 & ~0xff) << 12) | (259 << 8) | (70_000 & 0xff),
    ])
    expect(probe.stat('null').rdev).toBe(0x103)
    // Reached, but never opened.
    expect(probe.errnoOf('lopen', { fid: probe.fid('null'), flags: 0 })).toBe(errno.ENXIO)
  })

  it('answers with the qid of the new file, which belongs to the user that attached', () => {
    needsRoot('gives files away')
    probe.attach(500, 1234)
    const asked = { dfid: 500, name: 'n', mode: 0o10600, major: 0, minor: 0, gid: 77 }
    const { qid } = probe.call('mknod', asked)
    const { ino, uid, gid } = lstatSync(path('n'))
    expect([qid.path, qid.type, uid, gid]).toEqual([BigInt(ino), 0, 1234, 77])
  })

  it('refuses types and numbers that are none', () => {
    expect(make('x', 0o40755)).toBe(errno.EPERM)
    expect(make('x', 0o120777)).toBe(errno.EINVAL)
    expect(make('x', 0o170000)).toBe(errno.EINVAL)
    expect(make('x', 0o20666, 4096, 0)).toBe(errno.EINVAL)
    expect(make('x', 0o60666, 0, 1 << 20)).toBe(errno.EINVAL)
    expect(make('x', 0o60666, 0xffff_ffff, 0xffff_ffff)).toBe(errno.EINVAL)
    expect(existsSync(path('x'))).toBe(false)
  })

  it('makes no device for an ordinary user’s server, but FIFOs', () => {
    const found = asOrdinaryUser(
      `const { mknodat } = await import(values.files)
       const made = (mode) => {
         try { mknodat(-100, '/tmp/' + values.name + mode, mode, 1, 3) } catch (e) { return e.errno }
         return 0
       }
       const results = [made(0o20666), made(0o10666)]
       const { rmSync } = await import('node:fs')
       rmSync('/tmp/' + values.name + 0o10666)
       console.log(JSON.stringify(results))`,
      { files: built('sys/files.js'), name: `lowerdir-test-${process.pid}-${ordinaryId}-` },
    )
    expect(found).toEqual([errno.EPERM, 0])
  })
})
