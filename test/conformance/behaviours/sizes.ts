import assert from 'node:assert/strict'
import { type Behaviours, read, bytes, text, make, content, fails, outcome } from './helpers.ts'

/** Truncating, and large files. */
export const sizes: Behaviours = {
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

  'what was cut off comes back as zeros': async (fs) => {
    const file = await fs.open('f', { access: 'rw', create: true })
    await file.write(0, Buffer.alloc(10_000, 'x'))
    await file.truncate(5001)
    await file.truncate(10_000)
    const expected = Buffer.concat([Buffer.alloc(5001, 'x'), Buffer.alloc(4999)])
    assert.ok((await file.read(0, 20_000)).equals(expected))
    await file.truncate(10)
    await file.write(6000, bytes('y'))
    await file.close()
    const all = await content(fs, 'f')
    assert.equal(all, `${'x'.repeat(10)}${'\0'.repeat(5990)}y`)
  },

  'a file that another cuts off ends earlier': async (fs) => {
    await make(fs, 'f', '0123456789')
    const reader = await fs.open('f', read)
    assert.equal(text(await reader.read(0, 10)), '0123456789')
    await fs.truncate('f', 3)
    assert.equal(text(await reader.read(0, 10)), '012')
    assert.equal((await reader.read(5, 10)).length, 0)
    await reader.close()
  },

  'a file that became longer takes no blocks for it': async (fs) => {
    await make(fs, 'f', '')
    await fs.truncate('f', 2 ** 33)
    const { size, blocks } = await fs.stat('f')
    assert.equal(size, 2 ** 33)
    assert.ok(blocks * 512 < 2 ** 20, `${blocks} blocks`)
    const file = await fs.open('f', read)
    assert.deepEqual(await file.read(2 ** 32 - 50, 100), Buffer.alloc(100))
    await file.close()
  },

  'a file is as large as its file system allows, or says that it is too large': async (fs) => {
    for (const exponent of [40, 45, 52]) {
      await make(fs, 'f', '')
      const size = 2 ** exponent
      const found = await outcome(fs.truncate('f', size))
      if (found === 'no error') assert.equal((await fs.stat('f')).size, size)
      else assert.equal(found, 'EFBIG')
      await fs.unlink('f')
    }
  },
}
