import assert from 'node:assert/strict'
import { type Behaviours, read, bytes, make, content, fails, later } from './helpers.ts'

/** Hard links and symlinks. */
export const links: Behaviours = {
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

  'replacing one name of a file changes the ctime that its other name shows': async (fs) => {
    await make(fs, 'a', 'text')
    await fs.link('a', 'b')
    const { ctime } = await fs.stat('a')
    await later(fs, ctime)
    await make(fs, 'c', '')
    await fs.rename('c', 'b')
    const after = await fs.stat('a')
    assert.equal(after.nlink, 1)
    assert.ok(after.ctime > ctime, 'the ctime has not moved')
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

  'a file counts its names': async (fs) => {
    await make(fs, 'f', '')
    await fs.mkdir('d')
    const file = await fs.open('f', read)
    const count = async (): Promise<number[]> => {
      return [(await file.stat()).nlink, (await fs.stat('f')).nlink]
    }
    for (let i = 2; i < 6; i++) {
      await fs.link('f', `d/${i}`)
      assert.deepEqual(await count(), [i, i])
    }
    await fs.rename('d/5', 'd/4')
    assert.deepEqual(await count(), [5, 5])
    await make(fs, 'other', '')
    await fs.rename('other', 'd/4')
    assert.deepEqual(await count(), [4, 4])
    await fs.unlink('d/5')
    assert.deepEqual(await count(), [3, 3])
    await file.close()
  },

  'as many symlinks are followed as the kernel allows': async (fs) => {
    await make(fs, 'l0', 'text')
    for (let i = 1; i <= 41; i++) await fs.symlink(`l${i - 1}`, `l${i}`)
    assert.equal(await content(fs, 'l40'), 'text')
    await fails('ELOOP', fs.stat('l41'))
    await fails('ELOOP', fs.open('l41', read))
    await fails('ELOOP', fs.chmod('l41', 0o600))
  },

  'a symlink into itself is a circle': async (fs) => {
    await fs.symlink('l/x', 'l')
    await fails('ELOOP', fs.stat('l'))
    await fails('ELOOP', fs.stat('l/y'))
    await fails('ELOOP', fs.mkdir('l/y'))
    await fails('ELOOP', fs.unlink('l/y'))
    await fails('ELOOP', fs.rename('l/y', 'z'))
    await fs.rename('l', 'm')
    await fails('ENOENT', fs.stat('m'))
    await fs.unlink('m')
  },

  'what takes a name takes the symlink, not where it leads': async (fs) => {
    await fs.mkdir('d')
    await fs.symlink('d', 'l')
    await fails('EEXIST', fs.mkdir('l'))
    await fails('ENOTDIR', fs.rmdir('l'))
    await make(fs, 'f', '')
    await fails('EEXIST', fs.link('f', 'l'))
    await fails('EEXIST', fs.symlink('x', 'l'))
    await fails('ENOTDIR', fs.rename('d', 'l'))
    await fs.unlink('l')
    assert.equal((await fs.stat('d')).kind, 'directory')
  },
}
