import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { architecture } from '../../src/provision/architecture.ts'
import { writeManifest } from '../../src/provision/manifest.ts'
import { findQemu } from '../../src/provision/qemu.ts'
import { temporaryFolder } from './folder.ts'

const { qemuCommand } = architecture()

beforeEach(() => {
  vi.stubEnv('LOWERDIR_QEMU', '')
  vi.stubEnv('PATH', '/nonexistent')
})
afterEach(() => {
  vi.unstubAllEnvs()
})

/** A program that says it is this version of QEMU. */
async function install(folder: string, version: string): Promise<string> {
  const path = join(folder, qemuCommand)
  await writeFile(path, `#!/bin/sh\necho "QEMU emulator version ${version} (Debian)"\n`)
  await chmod(path, 0o755)
  return path
}

/** A fetched QEMU, as far as finding it goes. */
async function fetched(cache: string, version: string, suite: string): Promise<string> {
  const folder = join(cache, 'qemu', version)
  const main = join('usr/bin', qemuCommand)
  await mkdir(join(folder, 'usr/bin'), { recursive: true })
  await writeFile(join(folder, main), '')
  await writeManifest(folder, {
    package: 'qemu-system-x86',
    version: `1:${version}`,
    suites: [suite],
    architecture: process.arch,
    main,
    packages: [],
  })
  return folder
}

test('nothing found says what to do', async () => {
  const cache = await temporaryFolder()
  await expect(findQemu({ cache })).rejects.toThrow('`lowerdir setup` fetches one')
  await expect(findQemu({ cache, suite: 'sid' })).rejects.toThrow('`lowerdir setup --suite sid`')
})

test('the installed one is found', async () => {
  const cache = await temporaryFolder()
  const path = await install(cache, '7.2.22')
  vi.stubEnv('PATH', cache)
  expect(await findQemu({ cache })).toEqual({
    command: path,
    args: [],
    version: { major: 7, minor: 2, text: '7.2.22' },
    source: 'PATH',
  })
})

test('a fetched one runs through its own loader', async () => {
  const cache = await temporaryFolder()
  const folder = await fetched(cache, '11.1.3+ds-1', 'sid')
  const qemu = await findQemu({ cache })
  expect(qemu.version).toEqual({ major: 11, minor: 1, text: '11.1.3' })
  expect(qemu.command).toBe(join(folder, 'usr/bin/loader'))
  expect(qemu.args).toContain(join(folder, 'usr/lib', architecture().multiarch))
  expect(qemu.args.at(-1)).toBe(join(folder, 'usr/bin', qemuCommand))
})

test.each([
  ['7.2.1', '7.2+dfsg-7', 'PATH'],
  ['9.2.1', '10.0+ds-1', 'cache'],
  ['11.0.0', '10.0+ds-1', 'PATH'],
])('of an installed %s and a fetched %s it takes the one in the %s', async (have, got, source) => {
  const cache = await temporaryFolder()
  await install(cache, have)
  vi.stubEnv('PATH', cache)
  await fetched(cache, got, 'sid')
  expect((await findQemu({ cache })).source).toBe(source)
})

test('with a suite, only a QEMU fetched from it is found', async () => {
  const cache = await temporaryFolder()
  await fetched(cache, '7.2+dfsg-7', 'bookworm')
  await fetched(cache, '11.1.3+ds-1', 'sid')
  expect((await findQemu({ cache })).version.major).toBe(11)
  expect((await findQemu({ cache, suite: 'bookworm' })).version.major).toBe(7)
})

test('the named one is taken or refused, never replaced by another', async () => {
  const cache = await temporaryFolder()
  const path = await install(cache, '8.0.0')
  await fetched(cache, '11.1.3+ds-1', 'sid')
  expect(await findQemu({ cache, path })).toMatchObject({ command: path, source: 'option' })
  vi.stubEnv('LOWERDIR_QEMU', path)
  expect(await findQemu({ cache })).toMatchObject({ command: path, source: 'option' })
  const missing = join(cache, 'nothing')
  await expect(findQemu({ cache, path: missing })).rejects.toThrow(`no QEMU at ${missing}`)
  await writeFile(path, '#!/bin/sh\necho "error while loading shared libraries" >&2\nexit 127\n')
  await expect(findQemu({ cache, path })).rejects.toThrow('error while loading shared libraries')
})
