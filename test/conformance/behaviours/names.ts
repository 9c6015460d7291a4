import assert from 'node:assert/strict'
import { type Behaviours, make, content, fails } from './helpers.ts'

/** What a name may be. */
export const nameRules: Behaviours = {
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

  'a name may have every byte but / and NUL': async (fs) => {
    const names = []
    for (let byte = 1; byte < 256; byte++) {
      if (byte !== 0x2f) names.push(`n${String.fromCharCode(byte)}`)
    }
    await make(fs, 'f', '')
    await fs.mkdir('d')
    for (const name of names) await fs.link('f', `d/${name}`)
    const found = (await fs.readdir('d')).map(({ name }) => name)
    assert.deepEqual(found.toSorted(), names.toSorted())
    for (const name of names.filter((_, i) => i % 10 === 0)) {
      await fs.unlink(`d/${name}`)
      await fails('ENOENT', fs.lstat(`d/${name}`))
    }
  },

  'names that differ in one bit are different': async (fs) => {
    for (const name of ['a', 'A', 'a ', 'a.', '.a']) await make(fs, name, name)
    for (const name of ['a', 'A', 'a ', 'a.', '.a']) assert.equal(await content(fs, name), name)
    assert.equal((await fs.readdir('.')).length, 5)
  },

  'a file is no directory for any operation': async (fs) => {
    await make(fs, 'f', '')
    await fails('ENOTDIR', fs.mkdir('f/x'))
    await fails('ENOTDIR', fs.rmdir('f/x'))
    await fails('ENOTDIR', fs.symlink('t', 'f/x'))
    await fails('ENOTDIR', fs.readlink('f/x'))
    await fails('ENOTDIR', fs.link('f', 'f/x'))
    await fails('ENOTDIR', fs.rename('f', 'f/x'))
    await fails('ENOTDIR', fs.chmod('f/x', 0o600))
    await fails('ENOTDIR', fs.lchown('f/x', 0, 0))
    await fails('ENOTDIR', fs.truncate('f/x', 0))
    await fails('ENOTDIR', fs.lutimes('f/x', 'now', 'now'))
    await fails('ENOTDIR', fs.readdir('f/x'))
    await fails('ENOTDIR', fs.lstat('f/x'))
  },

  'what is missing is missing for every operation': async (fs) => {
    for (const name of ['x', 'x/y']) {
      await fails('ENOENT', fs.stat(name))
      await fails('ENOENT', fs.lstat(name))
      await fails('ENOENT', fs.rmdir(name))
      await fails('ENOENT', fs.unlink(name))
      await fails('ENOENT', fs.readlink(name))
      await fails('ENOENT', fs.rename(name, 'z'))
      await fails('ENOENT', fs.link(name, 'z'))
      await fails('ENOENT', fs.chmod(name, 0o600))
      await fails('ENOENT', fs.lchown(name, 0, 0))
      await fails('ENOENT', fs.truncate(name, 0))
      await fails('ENOENT', fs.lutimes(name, 'now', 'now'))
      await fails('ENOENT', fs.readdir(name))
      await fails('ENOENT', fs.statfs(name))
    }
    await fails('ENOENT', fs.symlink('t', 'x/y'))
    await fails('ENOENT', fs.mkdir('x/y'))
  },

  'a name that is too long is so for every operation': async (fs) => {
    const long = 'x'.repeat(256)
    await make(fs, 'f', '')
    await fails('ENAMETOOLONG', fs.lstat(long))
    await fails('ENAMETOOLONG', fs.rmdir(long))
    await fails('ENAMETOOLONG', fs.unlink(long))
    await fails('ENAMETOOLONG', fs.readlink(long))
    await fails('ENAMETOOLONG', fs.rename(long, 'g'))
    await fails('ENAMETOOLONG', fs.link(long, 'g'))
    await fails('ENAMETOOLONG', fs.chmod(long, 0o600))
    await fails('ENAMETOOLONG', fs.lchown(long, 0, 0))
    await fails('ENAMETOOLONG', fs.truncate(long, 0))
    await fails('ENAMETOOLONG', fs.lutimes(long, 'now', 'now'))
    await fails('ENAMETOOLONG', fs.stat(`${long}/f`))
  },
}
