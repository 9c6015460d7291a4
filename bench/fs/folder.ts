import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Files in each of the two directories of files: more than any workload has in flight. */
export const FILES = 256
/** Names in the directory that is listed. READDIRPLUS of all of them has about 18 KiB. */
export const LISTED = 100
/** Bytes of the large file. */
export const LARGE_BYTES = 64 << 20

export const fileName = (number: number): string => `some-file-${String(number).padStart(4, '0')}`

/** Fills an empty folder: small files, a directory to list, an empty one for new files, and a large file without holes. */
export function fillFolder(folder: string): void {
  for (const [name, count] of [
    ['files', FILES],
    ['listed', LISTED],
    ['made', 0],
  ] as const) {
    mkdirSync(join(folder, name))
    for (let i = 0; i < count; i++) writeFileSync(join(folder, name, fileName(i)), `file ${i}\n`)
  }
  const block = Buffer.alloc(LARGE_BYTES)
  for (let i = 0; i < block.length; i += 4) block.writeUInt32LE(Math.imul(i, 0x9e3779b1) >>> 0, i)
  writeFileSync(join(folder, 'large'), block)
}
