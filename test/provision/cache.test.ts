import { expect, test } from 'vitest'
import { cacheFolder } from '../../src/provision/cache.ts'

test.each([
  [{ LOWERDIR_CACHE: '/a', XDG_CACHE_HOME: '/b', HOME: '/c' }, '/a'],
  [{ XDG_CACHE_HOME: '/b', HOME: '/c' }, '/b/lowerdir'],
  [{ LOWERDIR_CACHE: '', XDG_CACHE_HOME: '', HOME: '/c' }, '/c/.cache/lowerdir'],
  [{ XDG_CACHE_HOME: 'relative', HOME: '/c' }, '/c/.cache/lowerdir'],
])('with %o it is %s', (env, folder) => {
  expect(cacheFolder(env)).toBe(folder)
})
