import assert from 'node:assert/strict'
import { type Behaviours, read, bytes, text, make, content, fails, longAgo } from './helpers.ts'

/** Creating and opening. */
export const opening: Behaviours = {
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

  'a file whose mode forbids writing can be written by the process that creates it': async (fs) => {
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

  'opening with truncation changes the times, of an empty file too': async (fs) => {
    await make(fs, 'f', '')
    await fs.lutimes('f', longAgo, longAgo)
    await (await fs.open('f', { access: 'w', truncate: true })).close()
    const { mtime, ctime } = await fs.stat('f')
    assert.ok(mtime > longAgo && ctime > longAgo)
  },

  'opening exclusively makes what others then find': async (fs) => {
    const exclusive = { access: 'w', create: true, exclusive: true } as const
    const all = await Promise.allSettled(Array.from({ length: 10 }, () => fs.open('f', exclusive)))
    const opened = all.filter((each) => each.status === 'fulfilled')
    for (const { value } of opened) await value.close()
    assert.equal(opened.length, 1)
    for (const each of all) {
      if (each.status === 'rejected') assert.equal((each.reason as { code: string }).code, 'EEXIST')
    }
  },

  'opening to read leaves all times but that of access': async (fs) => {
    await make(fs, 'f', 'text')
    const before = await fs.stat('f')
    assert.equal(await content(fs, 'f'), 'text')
    const after = await fs.stat('f')
    assert.deepEqual([after.mtime, after.ctime], [before.mtime, before.ctime])
  },
}
