import assert from 'node:assert/strict'
import { UNCHANGED } from '../fs.ts'
import { type Behaviours, read, make, content, fails } from './helpers.ts'

/** Modes and owners. */
export const attributes: Behaviours = {
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

  'chown changes the owner, of a symlink too, for users who may': async (fs) => {
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
    await fs.lutimes('f', 5_000_000_000n, 6_000_000_000n)
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

  'chown changes one of the two': async (fs) => {
    await make(fs, 'f', '')
    const { uid, gid } = await fs.stat('f')
    await fs.lchown('f', UNCHANGED, gid)
    await fs.lchown('f', uid, UNCHANGED)
    assert.deepEqual([(await fs.stat('f')).uid, (await fs.stat('f')).gid], [uid, gid])
    if (!fs.mayChown) return
    await fs.lchown('f', UNCHANGED, 77)
    assert.deepEqual([(await fs.stat('f')).uid, (await fs.stat('f')).gid], [uid, 77])
    await fs.lchown('f', 88, UNCHANGED)
    assert.deepEqual([(await fs.stat('f')).uid, (await fs.stat('f')).gid], [88, 77])
  },

  'a directory keeps its setgid bit when it gets another owner': async (fs) => {
    await fs.mkdir('d')
    await fs.chmod('d', 0o2755)
    await fs.lchown('d', fs.mayChown ? 12 : UNCHANGED, UNCHANGED)
    assert.equal((await fs.stat('d')).mode, 0o2755)
  },

  'the mode of an open file changes for all processes': async (fs) => {
    await make(fs, 'f', '')
    const [one, other] = [await fs.open('f', read), await fs.open('f', read)]
    await one.chmod(0o604)
    assert.equal((await other.stat()).mode, 0o604)
    assert.equal((await fs.stat('f')).mode, 0o604)
    await fs.chmod('f', 0o640)
    assert.equal((await one.stat()).mode, 0o640)
    await one.close()
    await other.close()
  },

  'two names of a file have the same attributes': async (fs) => {
    await make(fs, 'a', 'text')
    await fs.link('a', 'b')
    await fs.stat('b')
    await fs.chmod('a', 0o604)
    await fs.truncate('a', 2)
    const [a, b] = [await fs.stat('a'), await fs.stat('b')]
    assert.deepEqual(a, b)
    assert.deepEqual([b.mode, b.size], [0o604, 2])
  },
}
