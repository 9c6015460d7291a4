import assert from 'node:assert/strict'
import { type Behaviours, read, bytes, text, make, content } from './helpers.ts'

/** Reading and writing. */
export const reading: Behaviours = {
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
      Array.from({ length: 1_200_001 }, (_, i) => (i * 131 + (i >> 9)) & 0xff),
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

  'what one writes another reads at once': async (fs) => {
    const writer = await fs.open('f', { access: 'w', create: true })
    const reader = await fs.open('f', read)
    let all = ''
    for (let i = 0; i < 20; i++) {
      await writer.write(all.length, bytes(`piece ${i} `))
      all += `piece ${i} `
      assert.equal(text(await reader.read(0, 1000)), all)
      assert.equal((await reader.stat()).size, all.length)
    }
    await writer.close()
    await reader.close()
  },

  'appending leaves the rest to be read': async (fs) => {
    await make(fs, 'f', 'start')
    const file = await fs.open('f', { access: 'rw', append: true })
    await file.write(0, bytes(' end'))
    assert.equal(text(await file.read(0, 100)), 'start end')
    await file.truncate(2)
    await file.write(0, bytes('op'))
    await file.close()
    assert.equal(await content(fs, 'f'), 'stop')
  },

  'two processes that append keep their lines whole': async (fs) => {
    await make(fs, 'f', '')
    const append = { access: 'w', append: true } as const
    const files = [await fs.open('f', append), await fs.open('f', append)]
    const lines = [bytes(`${'a'.repeat(2999)}\n`), bytes(`${'b'.repeat(1999)}\n`)]
    await Promise.all(
      files.map(async (file, i) => {
        for (let j = 0; j < 15; j++) await file.write(0, lines[i]!)
      }),
    )
    for (const file of files) await file.close()
    const found = (await content(fs, 'f')).split(/(?<=\n)/)
    assert.equal(found.length, 30)
    assert.ok(found.every((line) => lines.some((each) => line === text(each))))
  },
}
