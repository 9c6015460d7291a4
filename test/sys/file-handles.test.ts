import { openSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createEventfd } from '../../src/sys/eventfd.ts'
import { fileHandle } from '../../src/sys/file-handles.ts'
import { discard } from '../../src/sys/files.ts'
import { errno } from '../../src/sys/errno.ts'
import { errnoOf } from '../support/errors.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

function opened(path: string): number {
  const fd = openSync(path, 'r')
  afterwards(() => discard(fd))
  return fd
}

it('is the same for one file and differs between two, also with the same inode number', () => {
  const directory = temporaryDirectory()
  const file = join(directory, 'file')
  const handles = new Set<string | undefined>()
  for (let i = 0; i < 20; i++) {
    writeFileSync(file, '')
    const fd = openSync(file, 'r')
    handles.add(fileHandle(fd))
    expect(fileHandle(opened(file))).toBe(fileHandle(fd))
    discard(fd)
    unlinkSync(file)
  }
  expect(handles.size).toBe(20)
})

it('is missing where the file system has none, and an error for no descriptor', () => {
  const fd = createEventfd()
  discard(fd)
  expect(errnoOf(() => fileHandle(fd))).toBe(errno.EBADF)
  expect(fileHandle(opened('/proc/self/status'))).toBeUndefined()
})
