import { mkdirSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { AT_FDCWD, O_CLOEXEC, O_PATH } from '../../src/sys/constants.ts'
import { close, openat } from '../../src/sys/files.ts'
import { setxattr } from '../../src/sys/xattr.ts'
import { fromText } from '../../src/util/text.ts'

/** Directories side by side; each lane of a workload works in one of its own. */
const DIRECTORIES = 16
/** Directories in each of those. */
const DIRECTORIES_BELOW = 16
/** Files in each of those in turn. */
export const FILES = 16
/** Names in the directory for readdir. */
const LISTED = 2000
/** Bytes of the large file. */
export const LARGE_BYTES = 256 << 20

/** Pads every name to the same length, so that all replies have the same length. */
function padded(prefix: string, number: number): string {
  return `${prefix}-${String(number).padStart(4, '0')}`
}

export const directoryName = (number: number): string => padded('directory', number)
export const fileName = (number: number): string => padded('some-file', number)
export const LISTED_NAME = 'listed'
export const LARGE_NAME = 'large'
/** An extended attribute of each small file in the first directory of each lane. */
export const XATTR = {
  name: 'user.bench',
  value: Buffer.from('some value of sixty four bytes'.padEnd(64)),
}

/**
 * Fills an empty folder with the files to serve: 4096 small files three levels deep, a directory of 2000
 * names, and a file of 256 MiB without holes. All of it is in the page cache afterwards.
 */
export async function fillFolder(folder: string): Promise<void> {
  for (let i = 0; i < DIRECTORIES; i++) {
    for (let j = 0; j < DIRECTORIES_BELOW; j++) {
      const directory = join(folder, directoryName(i), directoryName(j))
      mkdirSync(directory, { recursive: true })
      for (let k = 0; k < FILES; k++)
        writeFileSync(join(directory, fileName(k)), `${i} ${j} ${k}\n`)
      if (j === 0) for (let k = 0; k < FILES; k++) setAttribute(join(directory, fileName(k)))
    }
  }
  mkdirSync(join(folder, LISTED_NAME))
  for (let i = 0; i < LISTED; i++) writeFileSync(join(folder, LISTED_NAME, fileName(i)), '')

  const block = Buffer.alloc(1 << 20)
  for (let i = 0; i < block.length; i += 4) block.writeUInt32LE(Math.imul(i, 0x9e3779b1) >>> 0, i)
  await using file = await open(join(folder, LARGE_NAME), 'w')
  for (let at = 0; at < LARGE_BYTES; at += block.length)
    await file.write(block, 0, block.length, at)
}

function setAttribute(path: string): void {
  const fd = openat(AT_FDCWD, fromText(path), O_PATH | O_CLOEXEC)
  try {
    setxattr(fd, XATTR.name, XATTR.value, 0)
  } finally {
    close(fd)
  }
}
