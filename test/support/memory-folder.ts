import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ErrnoError } from '../../src/sys/errno.ts'
import { setxattr } from '../../src/sys/xattr.ts'

/** Where thousands of files that live for a moment go: memory, where that will do. */
export const memoryFolder = willDo('/dev/shm') ? '/dev/shm' : tmpdir()

/** Whether it can be written to and keeps users' attributes, as tmpfs does since Linux 6.6. */
function willDo(path: string): boolean {
  let folder: string
  try {
    folder = mkdtempSync(join(path, 'lowerdir-test-'))
  } catch {
    return false
  }
  const fd = openSync(folder, 'r')
  try {
    setxattr(fd, 'user.test', Buffer.from('kept'), 0)
    return true
  } catch (error) {
    if (error instanceof ErrnoError) return false
    throw error
  } finally {
    closeSync(fd)
    rmSync(folder, { recursive: true })
  }
}
