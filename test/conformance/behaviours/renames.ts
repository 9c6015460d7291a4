import assert from 'node:assert/strict'
import type { Fs } from '../fs.ts'
import { type Behaviours, read, bytes, text, make, content, fails, outcome } from './helpers.ts'

/** Renaming. */
export const renames: Behaviours = {
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

  'renaming over each kind of thing does as POSIX says': async (fs) => {
    const kinds = ['file', 'symlink', 'empty', 'full'] as const
    for (const from of kinds) {
      for (const to of kinds) {
        const fromDirectory = from === 'empty' || from === 'full'
        const toDirectory = to === 'empty' || to === 'full'
        const expected =
          fromDirectory && !toDirectory
            ? 'ENOTDIR'
            : !fromDirectory && toDirectory
              ? 'EISDIR'
              : to === 'full'
                ? 'ENOTEMPTY'
                : 'no error'
        const base = `${from}-${to}`
        await fs.mkdir(base)
        await one(fs, `${base}/from`, from)
        await one(fs, `${base}/to`, to)
        const { ino } = await fs.lstat(`${base}/from`)
        const found = await outcome(fs.rename(`${base}/from`, `${base}/to`))
        assert.deepEqual([base, found], [base, expected])
        const names = (await fs.readdir(base)).map(({ name }) => name).toSorted()
        const done = expected === 'no error'
        assert.deepEqual([base, names], [base, done ? ['to'] : ['from', 'to']])
        assert.equal((await fs.lstat(`${base}/${done ? 'to' : 'from'}`)).ino, ino)
      }
    }
  },

  'a directory is not moved onto one that it is in': async (fs) => {
    await fs.mkdir('a')
    await fs.mkdir('a/b')
    await fs.mkdir('a/b/c')
    await fails('ENOTEMPTY', fs.rename('a/b', 'a'))
    await fails('ENOTEMPTY', fs.rename('a/b/c', 'a'))
  },

  'renaming changes the link counts of both directories': async (fs) => {
    await fs.mkdir('a')
    await fs.mkdir('b')
    await fs.mkdir('a/d')
    const counts = async (): Promise<number[]> => {
      return [(await fs.stat('a')).nlink, (await fs.stat('b')).nlink]
    }
    const [a = 0, b = 0] = await counts()
    await fs.rename('a/d', 'b/d')
    // Some file systems do not count, and say 1.
    assert.deepEqual(await counts(), a === 1 ? [1, 1] : [a - 1, b + 1])
    await fs.mkdir('a/d')
    await fs.rename('b/d', 'a/d')
    assert.deepEqual(await counts(), a === 1 ? [1, 1] : [a, b])
  },

  'renaming over one of two names leaves the other': async (fs) => {
    await make(fs, 'a', 'a')
    await make(fs, 'b', 'b')
    await fs.link('b', 'c')
    const open = await fs.open('c', read)
    await fs.rename('a', 'b')
    assert.equal((await open.stat()).nlink, 1)
    assert.equal((await fs.stat('c')).nlink, 1)
    assert.equal(await content(fs, 'c'), 'b')
    await open.close()
  },

  'a symlink is renamed, not what it leads to': async (fs) => {
    await make(fs, 'f', 'text')
    await fs.symlink('f', 'l')
    await fs.mkdir('d')
    await fs.rename('l', 'd/l')
    assert.equal(await fs.readlink('d/l'), 'f')
    await fails('ENOENT', fs.stat('d/l'))
    assert.equal(await content(fs, 'f'), 'text')
  },

  'what is renamed is found at once and no longer where it was': async (fs) => {
    await fs.mkdir('d')
    await make(fs, 'd/f', 'text')
    for (let i = 0; i < 10; i++) {
      const [from, to] = i % 2 === 0 ? ['d', 'e'] : ['e', 'd']
      await fs.rename(from, to)
      assert.equal(await content(fs, `${to}/f`), 'text')
      await fails('ENOENT', fs.stat(`${from}/f`))
      await fails('ENOENT', fs.stat(from))
    }
  },
}

async function one(
  fs: Fs,
  path: string,
  kind: 'file' | 'symlink' | 'empty' | 'full',
): Promise<void> {
  if (kind === 'file') return make(fs, path, 'text')
  if (kind === 'symlink') return fs.symlink('nowhere', path)
  await fs.mkdir(path)
  if (kind === 'full') await make(fs, `${path}/f`, '')
}
