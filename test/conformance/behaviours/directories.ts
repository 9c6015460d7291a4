import assert from 'node:assert/strict'
import { type Behaviours, make, content, sorted, fails } from './helpers.ts'

/** Directories and what they list. */
export const directories: Behaviours = {
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
    const names = Array.from({ length: 300 }, (_, i) => `${i}-${'n'.repeat((i * 7) % 240)}`)
    await make(fs, 'first', '')
    await fs.mkdir('many')
    for (const name of names) await fs.link('first', `many/${name}`)
    const found = await fs.readdir('many')
    assert.deepEqual(found.map(({ name }) => name).toSorted(), names.toSorted())
    assert.equal((await fs.stat('first')).nlink, 301)
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

  'a directory lists itself and the one above': async (fs) => {
    await fs.mkdir('d')
    const listing = await fs.list('d')
    const names = (await listing.next()).map(({ name, kind }) => `${name} ${kind}`)
    assert.deepEqual(names.toSorted(), ['. directory', '.. directory'])
    assert.deepEqual(await listing.next(), [])
    await listing.close()
  },

  'names that stay are listed once, whatever comes and goes meanwhile': async (fs) => {
    await fs.mkdir('d')
    const stable = Array.from({ length: 60 }, (_, i) => `stable-${i}-${'s'.repeat(i)}`)
    for (const name of stable) await fs.symlink('x', `d/${name}`)
    for (let i = 0; i < 30; i++) await fs.symlink('x', `d/going-${i}`)
    const listing = await fs.list('d')
    const found: string[] = []
    for (let i = 0; ; i++) {
      const some = await listing.next()
      if (some.length === 0) break
      found.push(...some.map(({ name }) => name))
      if (i < 30) {
        await fs.unlink(`d/going-${i}`)
        await fs.symlink('x', `d/coming-${i}-${'c'.repeat(i * 3)}`)
      }
    }
    await listing.close()
    const kept = found.filter((name) => name.startsWith('stable'))
    assert.deepEqual(kept.toSorted(), stable.toSorted())
    assert.equal(new Set(found).size, found.length)
  },

  'reading a directory goes on where it was told to': async (fs) => {
    await fs.mkdir('d')
    for (let i = 0; i < 40; i++) await fs.symlink('x', `d/${i}-${'n'.repeat(i * 5)}`)
    const listing = await fs.list('d')
    const all = []
    for (let some = await listing.next(); some.length > 0; some = await listing.next()) {
      all.push(...some)
    }
    assert.equal(all.length, 42)
    for (const at of [30, 5, 41, 0]) {
      await listing.seek(all[at]!.cookie)
      const next = await listing.next()
      assert.equal(next[0]?.name, all[at + 1]?.name)
    }
    await listing.seek(0n)
    assert.equal((await listing.next())[0]?.name, all[0]!.name)
    await listing.close()
  },

  'a directory is read from the beginning again before its end was reached': async (fs) => {
    await fs.mkdir('d')
    const names = Array.from({ length: 30 }, (_, i) => `${i}-${'n'.repeat(i * 5)}`)
    for (const name of names) await fs.symlink('x', `d/${name}`)
    const listing = await fs.list('d')
    await listing.next()
    await listing.seek(0n)
    const found: string[] = []
    for (let some = await listing.next(); some.length > 0; some = await listing.next()) {
      found.push(...some.map(({ name }) => name))
    }
    await listing.close()
    assert.deepEqual(found.toSorted(), ['.', '..', ...names].toSorted())
  },

  'a directory that is read from the beginning again shows what is new': async (fs) => {
    await fs.mkdir('d')
    await make(fs, 'd/old', '')
    const listing = await fs.list('d')
    while ((await listing.next()).length > 0);
    await make(fs, 'd/new', '')
    await listing.seek(0n)
    const found: string[] = []
    for (let some = await listing.next(); some.length > 0; some = await listing.next()) {
      found.push(...some.map(({ name }) => name))
    }
    assert.deepEqual(found.toSorted(), ['.', '..', 'new', 'old'])
    await listing.close()
  },

  'a name that was missing is found once it is made': async (fs) => {
    await fails('ENOENT', fs.stat('x'))
    await fs.mkdir('x')
    assert.equal((await fs.stat('x')).kind, 'directory')
    await fs.rmdir('x')
    await fails('ENOENT', fs.stat('x'))
    await make(fs, 'x', '')
    assert.equal((await fs.stat('x')).kind, 'file')
    await fs.unlink('x')
    await fs.symlink('y', 'x')
    assert.equal((await fs.lstat('x')).kind, 'symlink')
  },

  'a directory with names in it is not emptied by a failure': async (fs) => {
    await fs.mkdir('d')
    await fs.symlink('x', 'd/l')
    await fails('ENOTEMPTY', fs.rmdir('d'))
    assert.equal(await fs.readlink('d/l'), 'x')
  },
}

/** For where an operation takes no millisecond. */
export const largeDirectories: Behaviours = {
  'a directory of ten thousand names lists each once': async (fs) => {
    await fs.mkdir('many')
    const names = Array.from({ length: 10_000 }, (_, i) => `name-${i}`)
    for (let i = 0; i < names.length; i += 100) {
      await Promise.all(names.slice(i, i + 100).map((name) => fs.symlink('x', `many/${name}`)))
    }
    const found = (await fs.readdir('many')).map(({ name }) => name)
    assert.deepEqual(found.toSorted(), names.toSorted())
  },
}
