import assert from 'node:assert/strict'
import { type Behaviours, read, bytes, text, make, content, fails, longAgo } from './helpers.ts'

/** Files that are open and have no name any more. */
export const nameless: Behaviours = {
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

  'all that can be done with an open file can be done with one that is removed': async (fs) => {
    await make(fs, 'f', 'text')
    const file = await fs.open('f', { access: 'rw' })
    await fs.unlink('f')
    await file.utimes(longAgo, 2n * longAgo)
    await file.chmod(0o4711)
    assert.equal((await file.stat()).mode, 0o4711)
    if (fs.mayChown) await file.chown(12, 34)
    const { uid, gid, atime, mtime, nlink } = await file.stat()
    assert.deepEqual([atime, mtime, nlink], [longAgo, 2n * longAgo, 0])
    if (fs.mayChown) assert.deepEqual([uid, gid], [12, 34])
    await file.truncate(100_000)
    await file.write(99_999, bytes('!'))
    await file.datasync()
    await file.sync()
    assert.equal(text(await file.read(99_998, 10)), '\0!')
    await file.close()
    assert.deepEqual(await fs.readdir('.'), [])
  },

  'a file that is replaced lives as long as it is open': async (fs) => {
    await make(fs, 'f', 'old')
    await make(fs, 'g', 'new')
    const old = await fs.open('f', { access: 'rw' })
    await fs.rename('g', 'f')
    await old.chmod(0o600)
    await old.truncate(1)
    assert.equal(text(await old.read(0, 10)), 'o')
    assert.equal((await old.stat()).nlink, 0)
    const { mode } = await fs.stat('f')
    await old.close()
    assert.deepEqual([await content(fs, 'f'), mode], ['new', 0o644])
  },

  'a directory that is removed while it is open is empty': async (fs) => {
    await fs.mkdir('d')
    const open = await fs.open('d', read)
    const listing = await fs.list('d')
    await fs.rmdir('d')
    assert.equal((await open.stat()).kind, 'directory')
    const names = (await listing.next()).filter(({ name }) => name !== '.' && name !== '..')
    assert.deepEqual(names, [])
    await listing.close()
    await open.close()
  },

  'a directory that moves while it is open is the same one': async (fs) => {
    await fs.mkdir('d')
    await fs.mkdir('e')
    const { ino } = await fs.stat('d')
    const open = await fs.open('d', read)
    await fs.rename('d', 'e/x')
    await open.chmod(0o700)
    assert.equal((await open.stat()).ino, ino)
    assert.equal((await fs.stat('e/x')).mode, 0o700)
    await open.sync()
    await open.close()
  },
}
