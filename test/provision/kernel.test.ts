import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { findKernel } from '../../src/provision/kernel.ts'
import { writeManifest } from '../../src/provision/manifest.ts'
import { makeImage, makeModules } from '../guest/fake-kernel.ts'
import { temporaryFolder } from './folder.ts'

beforeEach(() => {
  vi.stubEnv('LOWERDIR_KERNEL', '')
})
afterEach(() => {
  vi.unstubAllEnvs()
})

async function install(
  root: string,
  release: string,
  modules?: readonly string[],
): Promise<string> {
  await makeModules(join(root, 'lib/modules', release), modules)
  return makeImage(join(root, 'boot', `vmlinuz-${release}`), release)
}

async function fetched(cache: string, release: string, suite: string): Promise<void> {
  const folder = join(cache, 'kernels', release)
  await makeModules(join(folder, 'lib/modules', release))
  await makeImage(join(folder, 'vmlinuz'), release)
  await writeManifest(folder, {
    package: 'linux-image-amd64',
    version: release,
    suites: [suite],
    architecture: process.arch,
    main: 'vmlinuz',
    packages: [],
  })
}

async function empty(): Promise<{ cache: string; root: string }> {
  const folder = await temporaryFolder()
  return { cache: join(folder, 'cache'), root: join(folder, 'root') }
}

test('nothing found says what to do', async () => {
  const places = await empty()
  await expect(findKernel(places)).rejects.toThrow(
    'No guest kernel found. `lowerdir setup` fetches one.',
  )
})

test("of the host's kernels it is the newest one that will do", async () => {
  const places = await empty()
  await install(places.root, '6.1.0-9-test')
  const image = await install(places.root, '6.1.0-10-test')
  await install(places.root, '6.12.1-cloud-test', ['overlay', 'virtio_pci', 'virtio_net'])
  expect(await findKernel(places)).toEqual({
    image,
    release: '6.1.0-10-test',
    modules: join(places.root, 'lib/modules/6.1.0-10-test'),
    source: 'host',
  })
})

test('the error says why each kernel was passed over', async () => {
  const places = await empty()
  await install(places.root, '6.12.1-cloud-test', ['overlay', 'virtio_pci', 'virtio_net'])
  await expect(findKernel(places)).rejects.toThrow(/Passed over: .*has no 9p.*cloud/)
})

test("a fetched one comes before the host's, the newest first; a suite or release selects", async () => {
  const places = await empty()
  await install(places.root, '8.0.0-test')
  await fetched(places.cache, '6.1.0-56-test', 'bookworm')
  await fetched(places.cache, '7.2.13-test', 'sid')
  expect(await findKernel(places)).toMatchObject({ release: '7.2.13-test', source: 'cache' })
  const suite = 'bookworm'
  expect(await findKernel({ ...places, suite })).toMatchObject({ release: '6.1.0-56-test' })
  const release = '8.0.0-test'
  expect(await findKernel({ ...places, release })).toMatchObject({ release, source: 'host' })
  await expect(findKernel({ ...places, suite: 'trixie' })).rejects.toThrow('of Debian trixie')
})

test('the named one is taken or refused, never replaced by another', async () => {
  const places = await empty()
  await fetched(places.cache, '7.2.13-test', 'sid')
  const path = await install(places.root, '5.0.0-test')
  expect(await findKernel({ ...places, path })).toMatchObject({ image: path, source: 'option' })
  vi.stubEnv('LOWERDIR_KERNEL', path)
  expect(await findKernel(places)).toMatchObject({ image: path, source: 'option' })
  const missing = join(places.root, 'nothing')
  await expect(findKernel({ ...places, path: missing })).rejects.toThrow('There is no kernel at')
  await mkdir(places.root, { recursive: true })
  await writeFile(missing, 'text')
  await expect(findKernel({ ...places, path: missing })).rejects.toThrow('is not a kernel image')
})
