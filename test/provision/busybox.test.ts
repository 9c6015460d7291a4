import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { findBusybox } from '../../src/provision/busybox.ts'
import { readElf } from '../../src/provision/elf.ts'
import { temporaryFolder } from './folder.ts'

beforeEach(() => {
  vi.stubEnv('LOWERDIR_BUSYBOX', '')
})
afterEach(() => {
  vi.unstubAllEnvs()
})

test('a dynamic executable is recognised', async () => {
  expect(await readElf('/bin/sh')).toEqual({ arch: process.arch, isStatic: false })
})

test('a script is no ELF, and neither is an empty file', async () => {
  const file = join(await temporaryFolder(), 'script')
  await writeFile(file, '')
  expect(await readElf(file)).toBeUndefined()
  await writeFile(file, '#!/bin/sh\n'.padEnd(100))
  expect(await readElf(file)).toBeUndefined()
})

test('what the user named is refused with the reason', async () => {
  const folder = await temporaryFolder()
  await expect(findBusybox({ path: '/bin/sh' })).rejects.toThrow('/bin/sh is linked dynamically')
  const missing = join(folder, 'missing')
  await expect(findBusybox({ path: missing })).rejects.toThrow(`There is no ${missing}.`)
  const script = join(folder, 'script')
  await writeFile(script, '#!/bin/sh\n')
  await expect(findBusybox({ path: script })).rejects.toThrow('not an executable')
})
