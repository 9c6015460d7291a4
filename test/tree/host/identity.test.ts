import fc from 'fast-check'
import {
  linkSync,
  mkdirSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { InodeNumbers, versionOf } from '../../../src/tree/host/identity.ts'
import { HostProbe } from '../../support/host-probe.ts'
import { mountTmpfs, temporaryDirectory } from '../../support/temporary.ts'

describe('a qid', () => {
  it('has version 0 for no file', () => {
    const stat = fc.record({
      ctimeSec: fc.oneof(fc.maxSafeInteger(), fc.constant(0)),
      ctimeNsec: fc.integer({ min: 0, max: 999_999_999 }),
      size: fc.oneof(fc.maxSafeNat(), fc.constant(0)),
      ino: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      dev: fc.nat(0xffff_ffff),
    })
    fc.assert(
      fc.property(stat, (any) => {
        const version = versionOf(any)
        expect(version).toBeGreaterThan(0)
        expect(version).toBeLessThanOrEqual(0xffff_ffff)
        const ino = new InodeNumbers(1).of(any.ino, any.dev)
        expect(ino >= 0n && ino < 2n ** 64n).toBe(true)
      }),
    )
    expect(versionOf({ ctimeSec: 0, ctimeNsec: 0, size: 0 })).not.toBe(0)
  })

  it('says directory, symlink or file', () => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'd'))
    writeFileSync(join(directory, 'f'), '')
    symlinkSync('f', join(directory, 'l'))
    const probe = new HostProbe(directory)
    expect(['d', 'f', 'l', ''].map((name) => probe.stat(name).qid.type)).toEqual([0x80, 0, 2, 0x80])
  })

  it('is that of Tgetattr, of Twalk and of the entries alike', () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'f'), 'text')
    mkdirSync(join(directory, 'd'))
    const probe = new HostProbe(directory)
    for (const name of ['f', 'd']) {
      const walked = probe.call('walk', { fid: 0, newfid: name === 'f' ? 900 : 901, names: [name] })
      const { qid } = probe.stat(name)
      expect(walked.qids).toEqual([qid])
      expect(qid.path).toBe(statSync(join(directory, name), { bigint: true }).ino)
      const entry = probe.entries(probe.opened('')).find((each) => each.name === name)!
      expect([entry.qid.path, entry.qid.type]).toEqual([qid.path, qid.type])
    }
    const dots = probe.entries(probe.opened('d')).filter(({ name }) => name.startsWith('.'))
    expect(Object.fromEntries(dots.map(({ name, qid }) => [name, qid.path]))).toEqual({
      '.': probe.stat('d').qid.path,
      '..': probe.stat('').qid.path,
    })
  })

  it('is the same for another server, and for both names of a file', () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'f'), 'text')
    linkSync(join(directory, 'f'), join(directory, 'g'))
    const first = new HostProbe(directory)
    const second = new HostProbe(directory)
    const { qid } = first.stat('f')
    expect(second.stat('f').qid).toEqual(qid)
    expect(second.stat('g').qid).toEqual(qid)
    expect(first.stat('').qid).toEqual(second.stat('').qid)
  })

  it('keeps its path and changes its version with the content, for old fids too', () => {
    const directory = temporaryDirectory()
    const path = join(directory, 'f')
    writeFileSync(path, 'a')
    const probe = new HostProbe(directory)
    const fid = probe.fid('f')
    const qid = (): { path: bigint; version: number } => probe.call('getattr', { fid, mask: 1 }).qid
    const versions = new Set([qid().version])
    const { path: number } = qid()
    const changes = [
      () => writeFileSync(path, 'longer'),
      () => truncateSync(path, 3),
      () => truncateSync(path, 5),
      () => probe.write(probe.opened('f', 1), 0, 'through the server'),
    ]
    for (const [i, change] of changes.entries()) {
      change()
      versions.add(qid().version)
      expect(versions.size).toBe(i + 2)
    }
    renameSync(path, join(directory, 'g'))
    expect(qid().path).toBe(number)
  })

  it('changes its version also when the size stays, as often as the host’s clock ticks', () => {
    const directory = temporaryDirectory()
    const path = join(directory, 'f')
    const probe = new HostProbe(directory)
    const versions = new Set<number>()
    let time = 0n
    for (let i = 0; i < 10; i++) {
      // Written again until the host's clock has ticked.
      do writeFileSync(path, `${i}`)
      while (statSync(path, { bigint: true }).mtimeNs === time)
      time = statSync(path, { bigint: true }).mtimeNs
      versions.add(probe.stat('f').qid.version)
    }
    expect(versions.size).toBe(10)
  })
})

describe('an export of several file systems', () => {
  it('gives no two files the same path', () => {
    const directory = temporaryDirectory()
    const places = ['', 'one', 'two', 'one/inside']
    // Each tmpfs counts its inodes from 1 on.
    for (const place of places) mountTmpfs(join(directory, place))
    for (const place of places) {
      for (let i = 0; i < 50; i++) writeFileSync(join(directory, place, `file ${i}`), '')
    }
    const probe = new HostProbe(directory)
    const paths = places.flatMap((place) => [
      probe.stat(place).qid.path,
      ...Array.from({ length: 50 }, (_, i) => probe.stat(`${place}/file ${i}`).qid.path),
    ])
    const inodes = places.map((place) => statSync(join(directory, place, 'file 7')).ino)
    expect(new Set(inodes).size).toBeLessThan(places.length)
    expect(new Set(paths).size).toBe(paths.length)

    const again = new HostProbe(directory)
    expect(places.map((place) => again.stat(`${place}/file 7`).qid)).toEqual(
      places.map((place) => probe.stat(`${place}/file 7`).qid),
    )
    // The entries say the same as the files.
    const entry = probe.entries(probe.opened('one')).find(({ name }) => name === 'file 9')!
    expect(entry.qid.path).toBe(probe.stat('one/file 9').qid.path)
    const up = probe.entries(probe.opened('one')).find(({ name }) => name === '..')!
    expect(up.qid.path).toBe(probe.stat('').qid.path)
  })

  it('keeps the inode numbers of the root’s own file system', () => {
    expect(new InodeNumbers(7).of(42n, 7)).toBe(42n)
    expect(new InodeNumbers(7).of(2n ** 63n + 1n, 7)).toBe(2n ** 63n + 1n)
  })

  it('gives every other file system a prefix of its own, also where their hashes meet', () => {
    const paths = new InodeNumbers(0)
    const found = new Map<bigint, string>()
    // Far more than there are slots without a collision.
    for (let device = 1; device <= 3000; device++) {
      const fsid = BigInt(device) * 0x1_0000_0001n
      if (device % 2 === 0) paths.learn(device, fsid)
      for (const ino of [1n, 2n ** 48n - 1n]) {
        const path = paths.of(ino, device)
        expect(path >> 48n).not.toBe(0n)
        expect(found.get(path)).toBe(undefined)
        found.set(path, `${device}:${ino}`)
        expect(paths.of(ino, device)).toBe(path)
      }
    }
  })

  it('tells large inode numbers apart, too', () => {
    const paths = new InodeNumbers(0)
    fc.assert(
      fc.property(fc.uniqueArray(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })), (inodes) => {
        expect(new Set(inodes.map((ino) => paths.of(ino, 5))).size).toBe(inodes.length)
      }),
    )
  })

  it('chooses a prefix by f_fsid, and not by the device number, which may change', () => {
    const [today, tomorrow] = [new InodeNumbers(0), new InodeNumbers(0)]
    today.learn(50, 0x1234_5678_9abcn)
    tomorrow.learn(71, 0x1234_5678_9abcn)
    expect(today.of(9n, 50)).toBe(tomorrow.of(9n, 71))
  })
})
