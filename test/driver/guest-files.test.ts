import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { copyFromHost, copyToHost } from '../../src/driver/guest-files.ts'
import type { Guest } from '../../src/driver/guest.ts'
import { findBusybox } from '../../src/provision/busybox.ts'
import { provision } from '../../src/provision/inventory.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { localGuest } from '../support/scripted-guest.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const MIB = 1 << 20

let guest: Guest
/** A directory of the guest's, one of the host's, and one for copies. */
let theirs: string
let ours: string

beforeAll(async () => {
  await provision({ want: ['busybox'] })
  guest = localGuest((await findBusybox()).path)
})

beforeEach(() => {
  const base = temporaryDirectory()
  theirs = join(base, 'guest')
  ours = join(base, 'host')
  mkdirSync(theirs)
  mkdirSync(ours)
})

/** Writes a file of `size` bytes that is a hole but for some bytes at these places. */
function writeHoles(path: string, size: number, ...places: readonly number[]): void {
  const fd = openSync(path, 'wx')
  for (const place of places) writeSync(fd, `at ${place}`, place)
  closeSync(fd)
  truncateSync(path, size)
}

function allocated(path: string): number {
  return statSync(path).blocks * 512
}

/** What a tree has, told for comparison. Names are byte strings. */
function listing(folder: string, below = '.'): Record<string, unknown> {
  const list: Record<string, unknown> = {}
  for (const entry of readdirSync(bytes(folder, below), 'latin1')) {
    const name = `${below}/${entry}`
    const path = bytes(folder, name)
    const stats = lstatSync(path)
    if (stats.isSymbolicLink()) list[name] = readlinkSync(path)
    else if (stats.isDirectory())
      Object.assign(list, { [name]: 'directory' }, listing(folder, name))
    else {
      const content = createHash('sha256').update(readFileSync(path)).digest('hex')
      list[name] = [stats.mode & 0o777, Math.floor(stats.mtimeMs / 1000), stats.size, content]
    }
  }
  return list
}

function bytes(folder: string, name: string): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, 'latin1')])
}

/** Files with names and contents of many kinds. */
function fill(folder: string): void {
  mkdirSync(join(folder, 'deep', 'empty'), { recursive: true })
  writeFileSync(join(folder, 'plain'), 'plain')
  writeFileSync(join(folder, 'empty'), '')
  writeFileSync(join(folder, 'program'), '#!/bin/sh\n', { mode: 0o751 })
  writeFileSync(join(folder, 'deep', 'a name\nof two lines '), 'x'.repeat(5000))
  writeFileSync(
    Buffer.concat([Buffer.from(`${folder}/deep/`), Buffer.from([0xff, 0x5c, 0x22])]),
    'y',
  )
  writeFileSync(join(folder, 'long'.repeat(60)), 'z')
  mkdirSync(join(folder, 'd'.repeat(200), 'e'.repeat(200)), { recursive: true })
  writeFileSync(join(folder, 'd'.repeat(200), 'e'.repeat(200), 'f'), 'deep')
  symlinkSync('../nowhere', join(folder, 'deep', 'link'))
  symlinkSync(`/${'t'.repeat(300)}`, join(folder, 'long link'))
  linkSync(join(folder, 'plain'), join(folder, 'deep', 'other name'))
  utimesSync(join(folder, 'plain'), 1_234_567_890, 1_234_567_890)
  chmodSync(join(folder, 'deep'), 0o500)
}

describe('a copy to the host', () => {
  it('of a directory is what busybox’s tar has read', async () => {
    fill(theirs)
    const before = openDescriptors()
    const copy = await copyToHost(guest, theirs, ours, {})
    expect(copy).toBe(join(ours, 'guest'))
    expect(listing(copy)).toEqual(listing(theirs))
    expect(statSync(join(copy, 'plain')).ino).toBe(statSync(join(copy, 'deep', 'other name')).ino)
    // Its owner may remove it.
    expect(statSync(join(copy, 'deep')).mode & 0o777).toBe(0o700)
    expect(readdirSync(ours)).toEqual(['guest'])
    expect(openDescriptors()).toBe(before)
  })

  it('joins a directory that is there, and replaces the files of the same names', async () => {
    fill(theirs)
    mkdirSync(join(ours, 'guest', 'deep'), { recursive: true })
    writeFileSync(join(ours, 'guest', 'deep', 'mine'), 'mine')
    writeFileSync(join(ours, 'guest', 'plain'), 'of before')
    const copy = await copyToHost(guest, theirs, ours, {})
    const { './deep/mine': mine, ...others } = listing(copy)
    expect(mine).toBeDefined()
    expect(others).toEqual(listing(theirs))
  })

  it('of a file replaces one that is there only when all of it has come', async () => {
    writeFileSync(join(theirs, 'file'), 'new', { mode: 0o640 })
    writeFileSync(join(ours, 'file'), 'old')
    const copy = await copyToHost(guest, join(theirs, 'file'), ours, {})
    expect(readFileSync(copy, 'utf8')).toBe('new')
    expect(statSync(copy).mode & 0o777).toBe(0o640)
    mkdirSync(join(theirs, 'not'))
    await expect(copyToHost(guest, '/nowhere/file', ours, {})).rejects.toThrow('ENOENT')
    expect(readFileSync(copy, 'utf8')).toBe('new')
    expect(readdirSync(ours)).toEqual(['file'])
  })

  it('keeps holes', async () => {
    writeHoles(join(theirs, 'disk'), 64 * MIB, 0, 3 * MIB + 17)
    mkdirSync(join(theirs, 'images'))
    writeHoles(join(theirs, 'images', 'disk'), 64 * MIB + 1, 9 * MIB)
    const file = await copyToHost(guest, join(theirs, 'disk'), ours, {})
    const folder = await copyToHost(guest, join(theirs, 'images'), ours, {})
    expect(readFileSync(file).equals(readFileSync(join(theirs, 'disk')))).toBe(true)
    const inside = join(folder, 'disk')
    expect(readFileSync(inside).equals(readFileSync(join(theirs, 'images', 'disk')))).toBe(true)
    expect(allocated(file)).toBeLessThan(MIB)
    expect(allocated(inside)).toBeLessThan(MIB)
  })
})

describe('a copy to the guest', () => {
  it('of a directory is what the host has', async () => {
    fill(ours)
    const target = join(theirs, 'a', 'copy')
    await copyFromHost(guest, ours, target, {})
    expect(listing(target)).toEqual(listing(ours))
  })

  it('of a sparse file keeps the holes, and its other bytes', async () => {
    const size = 64 * MIB + 4711
    writeHoles(join(ours, 'disk'), size, 0, 65_530, 3 * MIB + 17, size - 5)
    chmodSync(join(ours, 'disk'), 0o640)
    const target = join(theirs, "made for it/it's")
    await copyFromHost(guest, join(ours, 'disk'), target, {})
    expect(readFileSync(target).equals(readFileSync(join(ours, 'disk')))).toBe(true)
    expect(statSync(target).mode & 0o7777).toBe(0o640)
    expect(allocated(target)).toBeLessThan(MIB)
  })

  it('of a file that is a hole is one', async () => {
    writeHoles(join(ours, 'disk'), 2 ** 31)
    await copyFromHost(guest, join(ours, 'disk'), join(theirs, 'disk'), {})
    expect(statSync(join(theirs, 'disk')).size).toBe(2 ** 31)
    expect(allocated(join(theirs, 'disk'))).toBeLessThan(MIB)
  })

  it('of a directory with sparse files keeps the holes of all whose names tar can be told', async () => {
    fill(ours)
    const names = [
      'disk',
      'deep/a*b',
      'deep/a',
      "it's $HOME `x`",
      'd"q',
      '-n',
      'two  blanks',
      '\tt',
    ]
    for (const [index, name] of names.entries()) {
      writeHoles(join(ours, name), 8 * MIB, index * MIB)
      utimesSync(join(ours, name), 1_234_567_890, 1_234_567_890)
    }
    for (const name of ['deep/a ', 'back\\slash', 'two\nlines'])
      writeHoles(join(ours, name), 8 * MIB, 3)
    linkSync(join(ours, 'disk'), join(ours, 'disk too'))
    writeFileSync(join(ours, 'deep/ab'), 'is none')
    chmodSync(ours, 0o710)
    const target = join(theirs, 'copy')
    mkdirSync(target)
    symlinkSync(join(ours, 'plain'), join(target, '-n'))
    await copyFromHost(guest, ours, target, {})
    expect(listing(target)).toEqual(listing(ours))
    expect(statSync(target).mode & 0o777).toBe(0o710)
    expect(statSync(join(target, 'deep')).mode & 0o777).toBe(0o500)
    expect(readFileSync(join(ours, 'plain'), 'utf8')).toBe('plain')
    for (const name of names.slice(1)) {
      expect([name, allocated(join(target, name)) < MIB]).toEqual([name, true])
    }
  })

  it('says which side has refused', async () => {
    writeHoles(join(ours, 'disk'), 8 * MIB, 0)
    const where = join(theirs, 'file', 'x')
    writeFileSync(join(theirs, 'file'), '')
    await expect(copyFromHost(guest, join(ours, 'disk'), where, {})).rejects.toMatchObject({
      path: where,
      code: 'EEXIST',
    })
    await expect(copyFromHost(guest, ours, where, {})).rejects.toMatchObject({ path: where })
    await expect(copyFromHost(guest, join(ours, 'nothing'), where, {})).rejects.toThrow(
      'of the host cannot be read: ENOENT',
    )
  })

  it('of a directory leaves no process and no descriptor when the guest does not read on', async () => {
    mkdirSync(join(ours, 'many'))
    writeHoles(join(ours, 'disk'), 8 * MIB, 0)
    writeFileSync(join(ours, 'many', 'large'), Buffer.alloc(8 * MIB, 'x'))
    writeFileSync(join(theirs, 'file'), '')
    const before = openDescriptors()
    await expect(copyFromHost(guest, ours, join(theirs, 'file'), {})).rejects.toThrow('EEXIST')
    // The child is told by a closed pipe. Those of earlier tests may still be closing at the beginning.
    await vi.waitFor(() => {
      const ps = ['--ppid', String(process.pid), '-o', 'comm=']
      expect(execFileSync('ps', ps, { encoding: 'utf8' })).not.toContain('tar')
      expect(openDescriptors()).toBeLessThanOrEqual(before)
    })
  })
})
