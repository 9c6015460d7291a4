import assert from 'node:assert/strict'
import { closeSync, constants, openSync } from 'node:fs'
import type { KernelBehaviours } from './helpers.ts'
import { SystemError, getdents } from '../system.ts'

/** Room for one name, whatever its length: struct linux_dirent64 of getdents64(2) with 255 bytes and a NUL, at 8 bytes. */
const ONE_NAME = 280

/** The same, for at most four bytes. */
const ONE_SHORT_NAME = 24

/** How programs may read directories. */
export const listings: KernelBehaviours = {
  'a directory is read to its end with room for one name at a time': async (fs) => {
    await fs.mkdir('d')
    const names = Array.from({ length: 60 }, (_, i) => `${i}-${'n'.repeat((i * 37) % 250)}`)
    for (const name of names) await fs.symlink('x', `d/${name}`)
    assert.deepEqual(listed(fs.path('d'), ONE_NAME), ['.', '..', ...names].toSorted())
  },

  'a directory of short names is read to its end with room for one of them': async (fs) => {
    await fs.mkdir('d')
    const names = Array.from({ length: 60 }, (_, i) => `n${i}`)
    for (const name of names) await fs.symlink('x', `d/${name}`)
    assert.deepEqual(listed(fs.path('d'), ONE_SHORT_NAME), ['.', '..', ...names].toSorted())
  },

  'a name that there is no room for comes once there is': async (fs) => {
    await fs.mkdir('d')
    const names = Array.from({ length: 60 }, (_, i) => (i % 7 === 3 ? `${i}`.repeat(100) : `n${i}`))
    for (const name of names) await fs.symlink('x', `d/${name}`)
    assert.deepEqual(listed(fs.path('d'), ONE_SHORT_NAME), ['.', '..', ...names].toSorted())
  },
}

/** The sorted names in a directory. @param room of each call in bytes; one that finds it too small is made again with more. */
function listed(path: string, room: number): string[] {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  const found: string[] = []
  for (let most = room; ;) {
    const some = namesWithin(fd, most)
    if (some?.length === 0) break
    found.push(...(some ?? []))
    most = some === undefined ? ONE_NAME : room
  }
  closeSync(fd)
  return found.toSorted()
}

/** The next names; undefined where there is no room for one (EINVAL). */
function namesWithin(fd: number, room: number): string[] | undefined {
  try {
    return getdents(fd, room).map(({ name }) => name)
  } catch (error) {
    if (error instanceof SystemError && error.code === 'EINVAL' && room < ONE_NAME) return undefined
    throw error
  }
}
