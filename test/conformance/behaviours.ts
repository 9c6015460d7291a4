import assert from 'node:assert/strict'
import type { File, Fs, How } from './fs.ts'

/**
 * What files do on Linux, one behaviour each. The same map runs on a plain directory, through our
 * client and server, and in a guest through the kernel's client; each behaviour gets an empty
 * directory of its own and a umask of 0.
 */
export const behaviours: Readonly<Record<string, (fs: Fs) => Promise<void>>> = {
  // Creating and opening

  'a created file is empty and has the mode it was given': async (fs) => {
    for (const mode of [0o644, 0o600, 0o777, 0o000, 0o421]) {
      await make(fs, `f${mode}`, '', { mode })
      const stat = await fs.stat(`f${mode}`)
      assert.deepEqual([stat.kind, stat.size, stat.mode, stat.nlink], ['file', 0, mode, 1])
    }
  },

  'a created file may have setuid, setgid and sticky bits': async (fs) => {
    for (const mode of [0o4755, 0o2755, 0o1644]) {
      await make(fs, `f${mode}`, '', { mode })
      assert.equal((await fs.stat(`f${mode}`)).mode, mode)
    }
  },

  'a file whose mode forbids it can be written by who creates it': async (fs) => {
    const file = await fs.open('f', { access: 'rw', create: true, exclusive: true, mode: 0o000 })
    await file.write(0, bytes('text'))
    assert.equal(text(await file.read(0, 10)), 'text')
    await file.close()
  },

  'creating exclusively fails where there is something': async (fs) => {
    await make(fs, 'f', 'x')
    await fs.mkdir('d')
    await fs.symlink('missing', 'l')
    const exclusive = { access: 'w', create: true, exclusive: true } as const
    for (const name of ['f', 'd', 'l']) await fails('EEXIST', fs.open(name, exclusive))
    await fails('ENOENT', fs.stat('missing'))
  },

  'creating opens what is there and leaves its bytes and mode': async (fs) => {
    await make(fs, 'f', 'old', { mode: 0o600 })
    const file = await fs.open('f', { access: 'rw', create: true, mode: 0o777 })
    assert.equal(text(await file.read(0, 10)), 'old')
    await file.close()
    assert.equal((await fs.stat('f')).mode, 0o600)
  },

  'creating through a dangling symlink makes its target': async (fs) => {
    await fs.symlink('target', 'l')
    await make(fs, 'l', 'text')
    assert.equal(await content(fs, 'target'), 'text')
    assert.equal((await fs.lstat('l')).kind, 'symlink')
  },

  'opening with truncation empties a file': async (fs) => {
    await make(fs, 'f', 'text')
    await (await fs.open('f', { access: 'w', truncate: true })).close()
    assert.equal((await fs.stat('f')).size, 0)
  },

  'opening what is missing fails': async (fs) => {
    await fails('ENOENT', fs.open('f', read))
    await fails('ENOENT', fs.open('d/f', { access: 'w', create: true }))
    await fails('ENOENT', fs.readdir('d'))
  },

  'opening as a directory needs one': async (fs) => {
    await make(fs, 'f', '')
    await fs.mkdir('d')
    await fails('ENOTDIR', fs.open('f', { access: 'r', directory: true }))
    await (await fs.open('d', { access: 'r', directory: true })).close()
    await fails('ENOTDIR', fs.readdir('f'))
  },

  'a directory cannot be opened to be written': async (fs) => {
    await fs.mkdir('d')
    await fails('EISDIR', fs.open('d', { access: 'w' }))
    await fails('EISDIR', fs.open('d', { access: 'rw' }))
    await fails('EISDIR', fs.open('d', { access: 'w', create: true }))
  },

  'a directory has no bytes': async (fs) => {
    await fs.mkdir('d')
    const directory = await fs.open('d', read)
    await fails('EISDIR', directory.read(0, 10))
    await directory.close()
  },

  'opening without following fails on a symlink': async (fs) => {
    await make(fs, 'f', '')
    await fs.symlink('f', 'l')
    await fails('ELOOP', fs.open('l', { access: 'r', noFollow: true }))
    await (await fs.open('f', { access: 'r', noFollow: true })).close()
  },

  'a file opened for one thing does not do the other': async (fs) => {
    await make(fs, 'f', 'text')
    const reader = await fs.open('f', read)
    await fails('EBADF', reader.write(0, bytes('x')))
    await reader.close()
    const writer = await fs.open('f', { access: 'w' })
    await fails('EBADF', writer.read(0, 1))
    await writer.close()
  },

  // Reading and writing

  'what is written is read, here and through another descriptor': async (fs) => {
    const file = await fs.open('f', { access: 'rw', create: true })
    assert.equal(await file.write(0, bytes('hello')), 5)
    assert.equal(text(await file.read(1, 3)), 'ell')
    await file.sync()
    assert.equal(await content(fs, 'f'), 'hello')
    await file.close()
  },

  'reading at the end and beyond it gives nothing': async (fs) => {
    await make(fs, 'f', 'text')
    const file = await fs.open('f', read)
    assert.equal(text(await file.read(2, 100)), 'xt')
    for (const offset of [4, 5, 5000, 2 ** 40])
      assert.equal((await file.read(offset, 10)).length, 0)
    await file.close()
  },

  'writing beyond the end leaves a hole of zeros': async (fs) => {
    const file = await fs.open('f', { access: 'rw', create: true })
    const far = 3 << 20
    await file.write(far, bytes('end'))
    await file.sync()
    const { size, blocks } = await file.stat()
    assert.equal(size, far + 3)
    assert.ok(blocks * 512 < far, `${blocks} blocks`)
    assert.deepEqual(await file.read(1_000_000, 100), Buffer.alloc(100))
    assert.equal(text(await file.read(far - 1, 10)), '\0end')
    await file.close()
  },

  'writing in the middle changes only that': async (fs) => {
    await make(fs, 'f', '0123456789')
    const file = await fs.open('f', { access: 'w' })
    await file.write(3, bytes('abc'))
    await file.close()
    assert.equal(await content(fs, 'f'), '012abc6789')
  },

  'writing nothing does nothing': async (fs) => {
    await make(fs, 'f', 'text')
    const file = await fs.open('f', { access: 'rw' })
    assert.equal(await file.write(100, bytes('')), 0)
    assert.equal((await file.read(0, 0)).length, 0)
    await file.close()
    assert.equal((await fs.stat('f')).size, 4)
  },

  'megabytes arrive bit for bit': async (fs) => {
    const all = Buffer.from(
      Array.from({ length: 3_000_001 }, (_, i) => (i * 131 + (i >> 9)) & 0xff),
    )
    const writer = await fs.open('f', { access: 'w', create: true })
    for (let at = 0; at < all.length;) at += await writer.write(at, all.subarray(at, at + 500_000))
    await writer.close()
    const file = await fs.open('f', read)
    const parts: Buffer[] = []
    for (let at = 0; at < all.length; at += parts.at(-1)!.length) {
      parts.push(await file.read(at, 700_000))
    }
    await file.close()
    assert.ok(Buffer.concat(parts).equals(all))
  },

  'bytes of any value and of odd lengths arrive at odd places': async (fs) => {
    const file = await fs.open('f', { access: 'rw', create: true })
    const expected = Buffer.alloc(20_000)
    for (let i = 0; i < 60; i++) {
      const offset = (i * 7919) % 15_000
      const part = Buffer.alloc(1 + ((i * 1021) % 4999), i * 37)
      part.copy(expected, offset)
      await file.write(offset, part)
    }
    const { size } = await file.stat()
    assert.ok((await file.read(0, 30_000)).equals(expected.subarray(0, size)))
    await file.close()
  },

  'appending goes to the end, wherever that is by then': async (fs) => {
    await make(fs, 'f', 'one,')
    const append = await fs.open('f', { access: 'w', append: true })
    const other = await fs.open('f', { access: 'w', append: true })
    await append.write(0, bytes('two,'))
    await other.write(0, bytes('three,'))
    await append.write(0, bytes('four'))
    await append.close()
    await other.close()
    assert.equal(await content(fs, 'f'), 'one,two,three,four')
  },

  'appending at the same time loses nothing': async (fs) => {
    await make(fs, 'f', '')
    const files = await Promise.all(
      Array.from({ length: 8 }, () => fs.open('f', { access: 'w', append: true })),
    )
    const lines: string[] = []
    await Promise.all(
      files.map(async (file, i) => {
        for (let j = 0; j < 20; j++) {
          const line = `line ${j} of ${i} ${'.'.repeat(j)}\n`
          lines.push(line)
          await file.write(0, bytes(line))
        }
      }),
    )
    for (const file of files) await file.close()
    const found = (await content(fs, 'f')).split(/(?<=\n)/)
    assert.deepEqual(found.toSorted(), lines.toSorted())
  },

  'writing at the same time to different places keeps both': async (fs) => {
    const file = await fs.open('f', { access: 'rw', create: true })
    await Promise.all(
      Array.from({ length: 32 }, (_, i) => file.write(i * 1000, Buffer.alloc(1000, 65 + i))),
    )
    const all = await file.read(0, 40_000)
    await file.close()
    const expected = Buffer.concat(Array.from({ length: 32 }, (_, i) => Buffer.alloc(1000, 65 + i)))
    assert.ok(all.equals(expected))
  },

  'syncing is no error': async (fs) => {
    const file = await fs.open('f', { access: 'w', create: true })
    await file.write(0, bytes('text'))
    await file.sync()
    await file.datasync()
    await file.close()
  },

  'a directory can be synced': async (fs) => {
    await fs.mkdir('d')
    const directory = await fs.open('d', read)
    await directory.sync()
    await directory.close()
  },

  // Sizes

  'truncating makes a file shorter, and longer with zeros': async (fs) => {
    await make(fs, 'f', 'some text')
    await fs.truncate('f', 4)
    assert.equal(await content(fs, 'f'), 'some')
    await fs.truncate('f', 6)
    assert.equal(await content(fs, 'f'), 'some\0\0')
    await fs.truncate('f', 0)
    assert.equal(await content(fs, 'f'), '')
  },

  'truncating an open file is seen at once': async (fs) => {
    const file = await fs.open('f', { access: 'rw', create: true })
    await file.write(0, bytes('some text'))
    await file.truncate(4)
    assert.equal((await file.stat()).size, 4)
    assert.equal(text(await file.read(0, 100)), 'some')
    await file.write(4, bytes('!'))
    await file.close()
    assert.equal(await content(fs, 'f'), 'some!')
  },

  'an open file can be truncated when its mode forbids it by now': async (fs) => {
    const file = await fs.open('f', { access: 'w', create: true, mode: 0o400 })
    await file.write(0, bytes('some text'))
    await file.truncate(4)
    await file.close()
    assert.equal((await fs.stat('f')).size, 4)
  },

  'truncating what is no file fails': async (fs) => {
    await fs.mkdir('d')
    await fails('EISDIR', fs.truncate('d', 0))
    await fails('ENOENT', fs.truncate('f', 0))
  },

  'a file may be larger than 4 GiB': async (fs) => {
    await make(fs, 'f', '')
    const size = 5_000_000_000
    await fs.truncate('f', size)
    assert.equal((await fs.stat('f')).size, size)
    const file = await fs.open('f', { access: 'rw' })
    await file.write(size - 2, bytes('xyz'))
    assert.equal(text(await file.read(size - 3, 10)), '\0xyz')
    await file.close()
    assert.equal((await fs.stat('f')).size, size + 1)
  },

  // Directories

  'a new directory is empty and has the mode it was given': async (fs) => {
    for (const mode of [0o755, 0o700, 0o777, 0o1777]) {
      await fs.mkdir(`d${mode}`, mode)
      const stat = await fs.stat(`d${mode}`)
      assert.deepEqual([stat.kind, stat.mode], ['directory', mode])
      assert.deepEqual(await fs.readdir(`d${mode}`), [])
    }
  },

  'making a directory fails where there is something': async (fs) => {
    await make(fs, 'f', '')
    await fs.mkdir('d')
    await fs.symlink('missing', 'l')
    for (const name of ['f', 'd', 'l']) await fails('EEXIST', fs.mkdir(name))
    await fails('ENOENT', fs.mkdir('x/y'))
    await fails('ENOTDIR', fs.mkdir('f/y'))
  },

  'a directory lists what is in it, and what each is': async (fs) => {
    await make(fs, 'f', '')
    await fs.mkdir('d')
    await fs.symlink('f', 'l')
    assert.deepEqual(sorted(await fs.readdir('.')), [
      { name: 'd', kind: 'directory' },
      { name: 'f', kind: 'file' },
      { name: 'l', kind: 'symlink' },
    ])
    await fs.unlink('f')
    await fs.rename('d', 'e')
    assert.deepEqual(
      sorted(await fs.readdir('.')).map(({ name }) => name),
      ['e', 'l'],
    )
  },

  'a directory of many entries lists each once': async (fs) => {
    const names = Array.from({ length: 700 }, (_, i) => `${i}-${'n'.repeat((i * 7) % 200)}`)
    await make(fs, 'first', '')
    await fs.mkdir('many')
    for (const name of names) await fs.link('first', `many/${name}`)
    const found = await fs.readdir('many')
    assert.deepEqual(found.map(({ name }) => name).toSorted(), names.toSorted())
    assert.equal((await fs.stat('first')).nlink, 701)
  },

  'a directory counts the directories in it': async (fs) => {
    await fs.mkdir('d')
    const { nlink } = await fs.stat('d')
    await fs.mkdir('d/a')
    await fs.mkdir('d/b')
    await make(fs, 'd/f', '')
    // Some file systems do not count, and say 1.
    assert.equal((await fs.stat('d')).nlink, nlink === 1 ? 1 : nlink + 2)
    await fs.rmdir('d/a')
    assert.equal((await fs.stat('d')).nlink, nlink === 1 ? 1 : nlink + 1)
  },

  'a directory is removed only when it is empty': async (fs) => {
    await fs.mkdir('d')
    await make(fs, 'd/f', '')
    await fails('ENOTEMPTY', fs.rmdir('d'))
    await fs.unlink('d/f')
    await fs.rmdir('d')
    await fails('ENOENT', fs.stat('d'))
    await fails('ENOENT', fs.rmdir('d'))
  },

  'files are unlinked and directories removed, not the other way round': async (fs) => {
    await make(fs, 'f', '')
    await fs.mkdir('d')
    await fs.symlink('d', 'l')
    await fails('EISDIR', fs.unlink('d'))
    await fails('ENOTDIR', fs.rmdir('f'))
    await fails('ENOTDIR', fs.rmdir('l'))
    await fails('ENOENT', fs.unlink('missing'))
    await fs.unlink('l')
    await fs.unlink('f')
    await fs.rmdir('d')
    assert.deepEqual(await fs.readdir('.'), [])
  },

  'directories go deep': async (fs) => {
    const path = Array.from({ length: 40 }, (_, i) => `d${i}`)
    for (let i = 1; i <= path.length; i++) await fs.mkdir(path.slice(0, i).join('/'))
    await make(fs, `${path.join('/')}/f`, 'deep')
    assert.equal(await content(fs, `${path.join('/')}/f`), 'deep')
    assert.equal(await content(fs, `${path.join('/')}/../d39/./f`), 'deep')
  },

  'what is made in a setgid directory has its group': async (fs) => {
    await fs.mkdir('d')
    if (fs.mayChown) await fs.lchown('d', 12, 34)
    await fs.chmod('d', 0o2775)
    const { gid } = await fs.stat('d')
    await make(fs, 'd/f', '')
    await fs.mkdir('d/sub', 0o755)
    await fs.symlink('f', 'd/l')
    for (const name of ['f', 'sub', 'l']) assert.equal((await fs.lstat(`d/${name}`)).gid, gid)
    assert.equal((await fs.stat('d/sub')).mode, 0o2755)
  },

  // Names

  'a name has up to 255 bytes': async (fs) => {
    const name = 'n'.repeat(255)
    await make(fs, name, 'text')
    assert.equal(await content(fs, name), 'text')
    assert.deepEqual(await fs.readdir('.'), [{ name, kind: 'file' }])
    await fs.rename(name, 'x'.repeat(255))
    const long = 'x'.repeat(256)
    await fails('ENAMETOOLONG', fs.open(long, { access: 'w', create: true }))
    await fails('ENAMETOOLONG', fs.stat(long))
    await fails('ENAMETOOLONG', fs.mkdir(long))
    await fails('ENAMETOOLONG', fs.symlink('x', long))
    await fails('ENAMETOOLONG', fs.rename('x'.repeat(255), long))
    await fails('ENAMETOOLONG', fs.link('x'.repeat(255), long))
  },

  'a name is bytes, not text': async (fs) => {
    const names = ['\u00ff\u00fe', '\u00c3\u00a9', '\u00e9', ' ', '\n', '\\', '...', '-f', '\u0001']
    for (const name of names) await make(fs, name, `in ${name}`)
    const found = (await fs.readdir('.')).map(({ name }) => name)
    assert.deepEqual(found.toSorted(), names.toSorted())
    for (const name of names) assert.equal(await content(fs, name), `in ${name}`)
  },

  'a file in the middle of a path is no directory': async (fs) => {
    await make(fs, 'f', '')
    await fails('ENOTDIR', fs.stat('f/x'))
    await fails('ENOTDIR', fs.open('f/x', { access: 'w', create: true }))
    await fails('ENOTDIR', fs.stat('f/x/y'))
    await fails('ENOTDIR', fs.unlink('f/x'))
    await fails('ENOTDIR', fs.rename('f/x', 'y'))
    await fails('ENOENT', fs.stat('missing/x'))
  },

  // Renaming

  'a file that is renamed is the same file': async (fs) => {
    await make(fs, 'a', 'text')
    const { ino } = await fs.stat('a')
    await fs.mkdir('d')
    await fs.rename('a', 'd/b')
    await fails('ENOENT', fs.stat('a'))
    assert.equal(await content(fs, 'd/b'), 'text')
    assert.equal((await fs.stat('d/b')).ino, ino)
  },

  'renaming replaces what may be replaced': async (fs) => {
    await make(fs, 'a', 'a')
    await make(fs, 'b', 'b')
    await fs.rename('a', 'b')
    assert.equal(await content(fs, 'b'), 'a')

    await fs.mkdir('full')
    await make(fs, 'full/x', '')
    await fs.mkdir('empty')
    await fs.rename('full', 'empty')
    assert.equal((await fs.readdir('empty')).length, 1)

    await fs.symlink('b', 'l')
    await make(fs, 'c', 'c')
    await fs.rename('c', 'l')
    assert.equal((await fs.lstat('l')).kind, 'file')
    assert.equal(await content(fs, 'b'), 'a')

    await fs.symlink('nowhere', 'm')
    await fs.rename('m', 'b')
    assert.equal(await fs.readlink('b'), 'nowhere')
  },

  'renaming refuses what may not be replaced': async (fs) => {
    await make(fs, 'f', '')
    await fs.symlink('f', 'l')
    await fs.mkdir('empty')
    await fs.mkdir('full')
    await make(fs, 'full/x', '')
    await fails('EISDIR', fs.rename('f', 'empty'))
    await fails('EISDIR', fs.rename('f', 'full'))
    await fails('EISDIR', fs.rename('l', 'empty'))
    await fails('ENOTDIR', fs.rename('empty', 'f'))
    await fails('ENOTDIR', fs.rename('empty', 'l'))
    await fails('ENOTEMPTY', fs.rename('empty', 'full'))
    await fails('ENOENT', fs.rename('missing', 'f'))
    await fails('ENOENT', fs.rename('f', 'missing/f'))
    assert.equal((await fs.readdir('.')).length, 4)
  },

  'a directory cannot be moved into itself': async (fs) => {
    await fs.mkdir('d')
    await fs.mkdir('d/e')
    await fails('EINVAL', fs.rename('d', 'd/x'))
    await fails('EINVAL', fs.rename('d', 'd/e/x'))
    await fs.rename('d/e', 'e')
    await fs.rename('d', 'e/d')
    assert.equal((await fs.stat('e/d')).kind, 'directory')
  },

  'renaming to the same name, or to another name of the same file, does nothing': async (fs) => {
    await make(fs, 'a', 'text')
    await fs.rename('a', 'a')
    await fs.link('a', 'b')
    await fs.rename('a', 'b')
    assert.equal(await content(fs, 'a'), 'text')
    assert.equal(await content(fs, 'b'), 'text')
    assert.equal((await fs.stat('a')).nlink, 2)
  },

  'a file stays open when it is renamed, replaced, or its directory moves': async (fs) => {
    await fs.mkdir('d')
    await make(fs, 'd/f', 'old')
    const file = await fs.open('d/f', { access: 'rw' })
    await fs.rename('d/f', 'd/g')
    await fs.rename('d', 'e')
    assert.equal(text(await file.read(0, 10)), 'old')
    await make(fs, 'new', 'new')
    await fs.rename('new', 'e/g')
    await file.write(3, bytes(' still'))
    assert.equal(text(await file.read(0, 10)), 'old still')
    await file.close()
    assert.equal(await content(fs, 'e/g'), 'new')
  },

  'a directory that is moved knows where its parent is': async (fs) => {
    await fs.mkdir('a')
    await fs.mkdir('b')
    await fs.mkdir('a/d')
    await make(fs, 'b/here', '')
    await fs.rename('a/d', 'b/d')
    assert.equal((await fs.stat('b/d/../here')).kind, 'file')
  },

  // Links

  'a hard link is another name of the same file': async (fs) => {
    await make(fs, 'a', 'text')
    await fs.link('a', 'b')
    const [a, b] = [await fs.stat('a'), await fs.stat('b')]
    assert.deepEqual([a.nlink, b.nlink, a.ino], [2, 2, b.ino])
    const file = await fs.open('b', { access: 'w' })
    await file.write(0, bytes('next'))
    await file.close()
    assert.equal(await content(fs, 'a'), 'next')
    await fs.unlink('a')
    assert.equal(await content(fs, 'b'), 'next')
    assert.equal((await fs.stat('b')).nlink, 1)
  },

  'a hard link needs a file and a free name': async (fs) => {
    await make(fs, 'f', '')
    await make(fs, 'g', '')
    await fs.mkdir('d')
    await fails('EEXIST', fs.link('f', 'g'))
    await fails('EEXIST', fs.link('f', 'd'))
    await fails('ENOENT', fs.link('missing', 'h'))
    await fails('EPERM', fs.link('d', 'h'))
    await fails('ENOENT', fs.link('f', 'missing/h'))
  },

  'a hard link to a symlink is a symlink': async (fs) => {
    await fs.symlink('target', 'l')
    await fs.link('l', 'm')
    assert.equal(await fs.readlink('m'), 'target')
    assert.equal((await fs.lstat('l')).nlink, 2)
  },

  'a symlink has the target it was given, whatever that is': async (fs) => {
    const targets = ['f', '../x/./y', '/', '\u00ff\u00fe', ' ', 't'.repeat(1000), 't'.repeat(4000)]
    for (const [i, target] of targets.entries()) {
      await fs.symlink(target, `l${i}`)
      assert.equal(await fs.readlink(`l${i}`), target)
      const { kind, size } = await fs.lstat(`l${i}`)
      assert.deepEqual([kind, size], ['symlink', target.length])
    }
    await fails('EEXIST', fs.symlink('x', 'l0'))
  },

  'only a symlink can be read as one': async (fs) => {
    await make(fs, 'f', '')
    await fs.mkdir('d')
    await fails('EINVAL', fs.readlink('f'))
    await fails('EINVAL', fs.readlink('d'))
    await fails('ENOENT', fs.readlink('missing'))
  },

  'symlinks are followed, through directories and to others': async (fs) => {
    await fs.mkdir('d')
    await make(fs, 'd/f', 'text')
    await fs.symlink('d', 'to-d')
    await fs.symlink('to-d/f', 'to-f')
    await fs.symlink('../to-f', 'd/back')
    assert.equal(await content(fs, 'to-d/back'), 'text')
    assert.equal((await fs.stat('to-d')).kind, 'directory')
    assert.equal((await fs.lstat('to-d')).kind, 'symlink')
    await make(fs, 'to-d/new', 'new')
    assert.equal(await content(fs, 'd/new'), 'new')
    await fs.unlink('to-f')
    assert.equal(await content(fs, 'd/f'), 'text')
  },

  'symlinks in a circle lead nowhere': async (fs) => {
    await fs.symlink('b', 'a')
    await fs.symlink('a', 'b')
    await fails('ELOOP', fs.stat('a'))
    await fails('ELOOP', fs.open('b', read))
    await fails('ELOOP', fs.stat('a/x'))
    await fs.symlink('missing', 'c')
    await fails('ENOENT', fs.stat('c'))
    assert.equal((await fs.lstat('c')).kind, 'symlink')
  },

  // Files without a name

  'an unlinked file lives as long as it is open': async (fs) => {
    await make(fs, 'f', 'text')
    const file = await fs.open('f', { access: 'rw' })
    await fs.unlink('f')
    await fails('ENOENT', fs.stat('f'))
    assert.equal(text(await file.read(0, 10)), 'text')
    await file.write(4, bytes(' more'))
    assert.equal(text(await file.read(0, 10)), 'text more')
    const { size, nlink } = await file.stat()
    assert.deepEqual([size, nlink], [9, 0])
    await file.truncate(2)
    await file.chmod(0o600)
    await file.sync()
    assert.equal((await file.stat()).size, 2)
    await file.close()
  },

  'a name can be used again while its old file is open': async (fs) => {
    await make(fs, 'f', 'old')
    const old = await fs.open('f', read)
    await fs.unlink('f')
    await make(fs, 'f', 'new text')
    assert.equal(text(await old.read(0, 100)), 'old')
    assert.equal(await content(fs, 'f'), 'new text')
    assert.notEqual((await old.stat()).ino, (await fs.stat('f')).ino)
    await old.close()
  },

  // Attributes

  'chmod changes the mode and nothing else': async (fs) => {
    await make(fs, 'f', 'text')
    await fs.mkdir('d')
    const before = await fs.stat('f')
    for (const mode of [0o000, 0o777, 0o4711, 0o1644]) {
      await fs.chmod('f', mode)
      await fs.chmod('d', mode | 0o700)
      assert.equal((await fs.stat('f')).mode, mode)
      assert.equal((await fs.stat('d')).mode, mode | 0o700)
    }
    const { size, mtime, uid, gid } = await fs.stat('f')
    assert.deepEqual([size, mtime, uid, gid], [4, before.mtime, before.uid, before.gid])
  },

  'chmod follows a symlink': async (fs) => {
    await make(fs, 'f', '')
    await fs.symlink('f', 'l')
    await fs.chmod('l', 0o611)
    assert.equal((await fs.stat('f')).mode, 0o611)
    await fs.symlink('missing', 'm')
    await fails('ENOENT', fs.chmod('m', 0o600))
  },

  'chown changes the owner, of a symlink too, for who may': async (fs) => {
    await make(fs, 'f', '')
    await fs.symlink('f', 'l')
    await fs.mkdir('d')
    if (!fs.mayChown) {
      for (const name of ['f', 'l', 'd']) await fails('EPERM', fs.lchown(name, 12_345, 54_321))
      return
    }
    for (const name of ['f', 'l', 'd']) {
      await fs.lchown(name, 12_345, 54_321)
      const { uid, gid } = await fs.lstat(name)
      assert.deepEqual([name, uid, gid], [name, 12_345, 54_321])
    }
    await fs.lchown('f', 70_000, 4_000_000_000)
    const { uid, gid } = await fs.stat('f')
    assert.deepEqual([uid, gid], [70_000, 4_000_000_000])
  },

  'chown takes setuid and setgid from a program': async (fs) => {
    await make(fs, 'f', '', { mode: 0o6755 })
    const { uid, gid } = await fs.stat('f')
    await fs.lchown('f', uid, gid)
    assert.equal((await fs.stat('f')).mode, 0o755)
  },

  'times are set as they are given': async (fs) => {
    await make(fs, 'f', '')
    await fs.mkdir('d')
    await fs.symlink('f', 'l')
    // Whole seconds from 1970 on: the kernel's 9p client passes no others on.
    const times = [
      [1_000_000_000, 1_500_000_001],
      [0, 1],
      [4_294_967_296, 5_000_000_000],
    ] as const
    for (const name of ['f', 'd', 'l']) {
      for (const [accessed, modified] of times) {
        await fs.lutimes(name, accessed, modified)
        const { atime, mtime } = await fs.lstat(name)
        const expected = [accessed, modified].map((seconds) => BigInt(seconds) * 1_000_000_000n)
        assert.deepEqual([name, atime, mtime], [name, ...expected])
      }
    }
  },

  'changing the bytes changes the times': async (fs) => {
    await make(fs, 'f', 'text')
    await fs.lutimes('f', 1000, 1000)
    const before = await fs.stat('f')
    const file = await fs.open('f', { access: 'w' })
    await file.write(0, bytes('more'))
    await file.sync()
    await file.close()
    const after = await fs.stat('f')
    assert.ok(after.mtime > before.mtime)
    assert.ok(after.ctime > before.ctime)
    await fs.lutimes('f', 1000, 1000)
    await fs.truncate('f', 1)
    assert.ok((await fs.stat('f')).mtime > before.mtime)
  },

  'changing names changes the times of their directory': async (fs) => {
    await fs.mkdir('d')
    await make(fs, 'f', '')
    const changes = [
      () => make(fs, 'd/a', ''),
      () => fs.rename('d/a', 'd/b'),
      () => fs.link('f', 'd/c'),
      () => fs.symlink('x', 'd/l'),
      () => fs.unlink('d/b'),
      () => fs.mkdir('d/e'),
      () => fs.rmdir('d/e'),
    ]
    for (const change of changes) {
      await fs.lutimes('d', 1000, 1000)
      await change()
      assert.ok((await fs.stat('d')).mtime > 1_000_000_000_000n)
    }
  },

  'a file takes blocks when it has bytes': async (fs) => {
    await make(fs, 'f', 'x'.repeat(100_000))
    const file = await fs.open('f', { access: 'rw' })
    await file.sync()
    await file.close()
    const { size, blocks } = await fs.stat('f')
    assert.equal(size, 100_000)
    assert.ok(blocks > 0, `${blocks} blocks`)
  },

  'an open file and its name have the same attributes': async (fs) => {
    await make(fs, 'f', 'text')
    const file = await fs.open('f', read)
    await fs.chmod('f', 0o640)
    await fs.lutimes('f', 5, 6)
    const [open, named] = [await file.stat(), await fs.stat('f')]
    await file.close()
    assert.deepEqual(open, named)
  },

  'the file system has a size': async (fs) => {
    const { bsize, blocks, bfree, bavail } = await fs.statfs('.')
    assert.ok(bsize >= 512 && blocks > 0n && bfree <= blocks && bavail <= bfree)
    await fails('ENOENT', fs.statfs('missing'))
  },

  'many files are made, read and removed at the same time': async (fs) => {
    const names = Array.from({ length: 60 }, (_, i) => `f${i}`)
    await Promise.all(names.map((name) => make(fs, name, name)))
    const texts = await Promise.all(names.map((name) => content(fs, name)))
    assert.deepEqual(texts, names)
    await Promise.all(names.map((name) => fs.unlink(name)))
    assert.deepEqual(await fs.readdir('.'), [])
  },
}

const read: How = { access: 'r' }

function bytes(value: string): Buffer {
  return Buffer.from(value, 'latin1')
}

function text(value: Buffer): string {
  return value.toString('latin1')
}

/** Makes a file with this content, or gives it to one that is there. */
async function make(fs: Fs, path: string, value: string, how: Partial<How> = {}): Promise<void> {
  const file = await fs.open(path, { access: 'w', create: true, truncate: true, ...how })
  if (value !== '') await file.write(0, bytes(value))
  await file.close()
}

async function content(fs: Fs, path: string): Promise<string> {
  const file = await fs.open(path, read)
  try {
    return text(await whole(file))
  } finally {
    await file.close()
  }
}

async function whole(file: File): Promise<Buffer> {
  const parts: Buffer[] = []
  for (let offset = 0; ; offset += parts.at(-1)!.length) {
    const part = await file.read(offset, 65_536)
    if (part.length === 0) return Buffer.concat(parts)
    parts.push(part)
  }
}

function sorted<E extends { readonly name: string }>(entries: readonly E[]): E[] {
  return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** The operation must fail, and with this errno. */
async function fails(code: string, operation: Promise<unknown>): Promise<void> {
  const found = await operation.then(
    () => 'no error',
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  )
  assert.equal(found, code)
}
