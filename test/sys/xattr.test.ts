import { closeSync, constants, openSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { openat } from '../../src/sys/files.ts'
import { getxattr, listxattr, removexattr, setxattr } from '../../src/sys/xattr.ts'
import { errnoOf } from '../support/errors.ts'
import { afterwards, needsRoot, temporaryDirectory } from '../support/temporary.ts'

const O_PATH = 0o10000000

let directory: string

beforeEach(() => {
  directory = temporaryDirectory()
})

/** An O_PATH descriptor, of a symlink itself. */
function pathOf(name: string): number {
  const fd = openat(-100, join(directory, name), O_PATH | constants.O_NOFOLLOW)
  afterwards(() => closeSync(fd))
  return fd
}

describe('extended attributes', () => {
  it('are set, read, listed and removed through a descriptor of any kind', () => {
    writeFileSync(join(directory, 'f'), '')
    const readable = openSync(join(directory, 'f'), 'r')
    afterwards(() => closeSync(readable))
    for (const fd of [pathOf('f'), readable]) {
      setxattr(fd, 'user.\u00ff', Buffer.from('a\0b'), 0)
      expect(getxattr(fd, 'user.\u00ff').toString('latin1')).toBe('a\0b')
      setxattr(fd, 'user.empty', Buffer.alloc(0), 1)
      expect(getxattr(fd, 'user.empty').length).toBe(0)
      const names = listxattr(fd).toString('latin1').split('\0')
      expect(names.filter((name) => name.startsWith('user.')).toSorted()).toEqual([
        'user.empty',
        'user.\u00ff',
      ])
      expect(errnoOf(() => setxattr(fd, 'user.empty', Buffer.alloc(0), 1))).toBe(errno.EEXIST)
      removexattr(fd, 'user.empty')
      expect(errnoOf(() => removexattr(fd, 'user.empty'))).toBe(errno.ENODATA)
      expect(errnoOf(() => getxattr(fd, 'user.empty'))).toBe(errno.ENODATA)
      expect(errnoOf(() => setxattr(fd, 'user.empty', Buffer.alloc(0), 2))).toBe(errno.ENODATA)
      removexattr(fd, 'user.\u00ff')
    }
  })

  it('of a symlink are its own, not those of what it points to', () => {
    needsRoot('sets a trusted attribute')
    writeFileSync(join(directory, 'f'), '')
    symlinkSync('f', join(directory, 'l'))
    const [file, link] = [pathOf('f'), pathOf('l')]
    setxattr(link, 'trusted.x', Buffer.from('of the link'), 0)
    expect(getxattr(link, 'trusted.x').toString()).toBe('of the link')
    expect(errnoOf(() => getxattr(file, 'trusted.x'))).toBe(errno.ENODATA)
    setxattr(file, 'user.x', Buffer.from('of the file'), 0)
    // The kernel keeps user attributes for files and directories (xattr(7)).
    expect(errnoOf(() => getxattr(link, 'user.x'))).toBe(errno.ENODATA)
    expect(errnoOf(() => setxattr(link, 'user.x', Buffer.from('x'), 0))).toBe(errno.EPERM)
  })
})
