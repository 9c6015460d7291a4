import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { writeSparse } from '../../src/util/sparse-file.ts'
import { temporaryDirectory } from '../support/temporary.ts'

test('a file reads as what was written, wherever its zeros are', async () => {
  const pieces = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 10_000 })), {
    maxLength: 8,
  })
  const folder = temporaryDirectory()
  let number = 0
  await fc.assert(
    fc.asyncProperty(pieces, async (each) => {
      const content = Buffer.concat(each.map(([zero, size]) => Buffer.alloc(size, zero ? 0 : 'x')))
      const file = join(folder, String(number++))
      await writeSparse(file, content)
      expect(readFileSync(file).equals(content)).toBe(true)
    }),
  )
})

test('zeros take no room', async () => {
  const file = join(temporaryDirectory(), 'file')
  const content = Buffer.alloc(10 << 20)
  content.write('end', content.length - 3)
  await writeSparse(file, content)
  expect(statSync(file)).toMatchObject({ size: content.length })
  expect(statSync(file).blocks * 512).toBeLessThan(1 << 20)
  await expect(writeSparse(file, content)).rejects.toMatchObject({ code: 'EEXIST' })
})
