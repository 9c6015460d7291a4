import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { cpio } from '../../src/guest/cpio.ts'
import { readInitrd } from '../../src/guest/initrd.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const archive = cpio([{ kind: 'file', path: 'a', mode: 0o644, data: Buffer.from('content') }])

function file(content: string | Uint8Array): string {
  const path = join(temporaryDirectory(), 'file')
  writeFileSync(path, content)
  return path
}

describe('an archive that others follow', () => {
  const archives: [what: string, content: Uint8Array][] = [
    ['a plain one', archive],
    ['a compressed one', gzipSync(archive)],
    ['one with checksums', Buffer.from('070702')],
    ...[1, 2, 3].map((more): [string, Uint8Array] => [
      `one with ${more} bytes of another`,
      Buffer.concat([archive, Buffer.alloc(more, 'x')]),
    ]),
  ]

  it.each(archives)('is %s, with zeros up to where another may begin', async (_what, content) => {
    const read = Buffer.from(await readInitrd(file(content)))
    expect(read.subarray(0, content.length).equals(content)).toBe(true)
    const zeros = read.subarray(content.length)
    expect(zeros.every((byte) => byte === 0)).toBe(true)
    expect(zeros.length).toBeGreaterThanOrEqual(4)
    expect(zeros.length).toBeLessThan(8)
    expect(read.length % 4).toBe(0)
  })

  it.each(['', '0', '070707 as cpio writes without -H newc', 'text'])(
    'is nothing that begins with "%s"',
    async (content) => {
      await expect(readInitrd(file(content))).rejects.toThrow(
        /^The initrd .*\/file is neither a cpio archive of the format "newc" nor a compressed one\. .* `find \. \| cpio -o -H newc`/,
      )
    },
  )

  it('is a file that can be read', async () => {
    await expect(readInitrd('/no/such')).rejects.toThrow(
      'The initrd /no/such cannot be read: ENOENT',
    )
  })
})
