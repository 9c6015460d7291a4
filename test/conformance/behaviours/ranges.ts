import assert from 'node:assert/strict'
import { closeSync, constants, copyFileSync, openSync, readSync, writeSync } from 'node:fs'
import { type KernelBehaviours, bytes, make, content, fails } from './helpers.ts'
import {
  fallocate,
  lseek,
  open,
  copyFileRange,
  linkDescriptor,
  RENAME_NOREPLACE,
  RENAME_EXCHANGE,
  renameat2,
  map,
} from '../system.ts'

/** Parts of files, files without names, and renaming with flags: what Linux has beyond POSIX. */
export const ranges: KernelBehaviours = {
  'space is kept for a file': async (fs) => {
    await make(fs, 'f', 'text')
    const fd = openSync(fs.path('f'), 'r+')
    try {
      fallocate(fd, 0, 0, 100_000)
    } finally {
      closeSync(fd)
    }
    const { size, blocks } = await fs.stat('f')
    assert.equal(size, 100_000)
    assert.ok(blocks * 512 >= 100_000)
  },

  'a hole is made into a file': async (fs) => {
    await make(fs, 'f', 'x'.repeat(100_000))
    const fd = openSync(fs.path('f'), 'r+')
    try {
      fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10_000, 50_000)
    } finally {
      closeSync(fd)
    }
    const all = await content(fs, 'f')
    assert.equal(all, `${'x'.repeat(10_000)}${'\0'.repeat(50_000)}${'x'.repeat(40_000)}`)
  },

  'holes are found, or none is said to be there': async (fs) => {
    const size = 1 << 20
    const file = await fs.open('f', { access: 'w', create: true })
    await file.write(size - 1, bytes('x'))
    await file.sync()
    await file.close()
    const fd = openSync(fs.path('f'), 'r')
    const [data, hole] = [lseek(fd, 0, SEEK_DATA), lseek(fd, 0, SEEK_HOLE)]
    closeSync(fd)
    // A file system that does not know says that all is data, up to the end.
    assert.ok((data > 0 && hole === 0) || (data === 0 && hole === size), `${data} ${hole}`)
  },

  'a part of a file is copied to another': async (fs) => {
    await make(fs, 'from', 'abcdefghij'.repeat(20_000))
    await make(fs, 'to', 'start ')
    const [from, to] = [openSync(fs.path('from'), 'r'), openSync(fs.path('to'), 'r+')]
    lseek(from, 5, 0)
    lseek(to, 6, 0)
    let copied = 0
    while (copied < 100_000) copied += copyFileRange(from, to, 100_000 - copied)
    closeSync(from)
    closeSync(to)
    assert.equal(await content(fs, 'to'), `start ${'fghijabcde'.repeat(10_000)}`)
  },

  'a file is copied': async (fs) => {
    await make(fs, 'from', 'abcdefghij'.repeat(50_000))
    copyFileSync(fs.path('from'), fs.path('to'))
    assert.equal(await content(fs, 'to'), 'abcdefghij'.repeat(50_000))
  },

  'a file is made without a name, and given one': async (fs) => {
    const fd = open(fs.path('.'), O_TMPFILE | constants.O_RDWR, 0o640)
    try {
      writeSync(fd, 'text')
      assert.deepEqual(await fs.readdir('.'), [])
      linkDescriptor(fd, fs.path('f'))
    } finally {
      closeSync(fd)
    }
    assert.equal(await content(fs, 'f'), 'text')
    assert.equal((await fs.stat('f')).mode, 0o640)
  },

  'an open file is given another name': async (fs) => {
    await make(fs, 'f', 'text')
    const fd = openSync(fs.path('f'), 'r')
    await fs.rename('f', 'g')
    linkDescriptor(fd, fs.path('h'))
    assert.equal(await content(fs, 'h'), 'text')
    assert.equal((await fs.stat('g')).nlink, 2)
    await fs.unlink('g')
    await fs.unlink('h')
    await fails('ENOENT', () => linkDescriptor(fd, fs.path('i')))
    closeSync(fd)
  },

  'renaming without replacing': async (fs) => {
    await make(fs, 'a', 'a')
    await make(fs, 'b', 'b')
    await fails('EEXIST', () => renameat2(fs.path('a'), fs.path('b'), RENAME_NOREPLACE))
    renameat2(fs.path('a'), fs.path('c'), RENAME_NOREPLACE)
    assert.equal(await content(fs, 'c'), 'a')
    assert.equal(await content(fs, 'b'), 'b')
  },

  'renaming two names into each other': async (fs) => {
    await make(fs, 'a', 'a')
    await fs.mkdir('b')
    renameat2(fs.path('a'), fs.path('b'), RENAME_EXCHANGE)
    assert.equal((await fs.stat('a')).kind, 'directory')
    assert.equal(await content(fs, 'b'), 'a')
  },

  'files are opened past the cache': async (fs) => {
    await make(fs, 'f', 'x'.repeat(8192))
    const fd = open(fs.path('f'), constants.O_RDWR | constants.O_DIRECT)
    // Aligned, as O_DIRECT wants it: a mapping begins at a page.
    const zero = openSync('/dev/zero', 'r+')
    const { bytes: aligned, unmap } = map(zero, 4096, 'private')
    closeSync(zero)
    aligned.fill('y')
    writeSync(fd, aligned, 0, 4096, 4096)
    assert.equal(readSync(fd, aligned, 0, 4096, 0), 4096)
    assert.equal(aligned.toString('latin1'), 'x'.repeat(4096))
    unmap()
    closeSync(fd)
    assert.equal(await content(fs, 'f'), 'x'.repeat(4096) + 'y'.repeat(4096))
  },
}

const FALLOC_FL_KEEP_SIZE = 1
const FALLOC_FL_PUNCH_HOLE = 2
const SEEK_DATA = 3
const SEEK_HOLE = 4
/** __O_TMPFILE with O_DIRECTORY, as it must be. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY
