import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { elfBeside, readKernel } from '../../src/guest/kernel.ts'
import { temporaryFolder } from '../provision/folder.ts'
import { makeImage, makeModules } from './fake-kernel.ts'

const release = '6.1.0-56-test'

test.each([
  ['beside the image', 'boot/lib/modules', 'boot/vmlinuz'],
  ['one folder up', 'lib/modules', 'boot/vmlinuz'],
  ["in the image's own folder", 'modules', `modules/${release}/vmlinuz`],
  ["where the host's are", 'root/usr/lib/modules', 'elsewhere/deep/vmlinuz'],
])('finds modules %s', async (_where, modules, image) => {
  const folder = await temporaryFolder()
  await makeModules(join(folder, modules, release))
  const path = await makeImage(join(folder, image), release)
  expect(await readKernel(path, join(folder, 'root'))).toEqual({
    image: path,
    release,
    modules: join(folder, modules, release),
  })
})

test('the same kernel decompressed is found beside its image', async () => {
  const folder = await temporaryFolder()
  await makeModules(join(folder, 'lib/modules', release))
  const image = await makeImage(join(folder, 'vmlinuz'), release)
  await writeFile(elfBeside(image), '')
  expect(await readKernel(image)).toMatchObject({ image, elf: `${image}.elf` })
})

test('a kernel without its modules says where they were looked for', async () => {
  const folder = await temporaryFolder()
  await makeModules(join(folder, 'lib/modules', '5.10.0-other'))
  const path = await makeImage(join(folder, 'boot/vmlinuz'), release)
  await expect(readKernel(path, join(folder, 'root'))).rejects.toMatchObject({
    code: 'no-modules',
    message: expect.stringContaining(join(folder, 'lib/modules', release)) as string,
  })
})

test.each(['9p', 'overlay', 'virtio_pci', 'virtio_net'])('a kernel without %s', async (lacking) => {
  const folder = await temporaryFolder()
  const modules = ['9p', 'overlay', 'virtio_pci', 'virtio_net'].filter((name) => name !== lacking)
  await makeModules(join(folder, 'lib/modules', release), modules)
  const path = await makeImage(join(folder, 'vmlinuz'), release)
  await expect(readKernel(path, folder)).rejects.toMatchObject({
    code: 'lacks-module',
    message: expect.stringContaining(`has no ${lacking}, neither`) as string,
  })
  const builtin = join(folder, 'lib/modules', release, 'modules.builtin')
  await writeFile(builtin, `kernel/x/${lacking.replace('_', '-')}.ko\n`)
  expect((await readKernel(path, folder)).release).toBe(release)
})

test('other files are no kernels', async () => {
  const folder = await temporaryFolder()
  for (const bytes of [Buffer.alloc(0), Buffer.from('text'), Buffer.alloc(4096, 'HdrS')]) {
    const path = join(folder, 'file')
    await writeFile(path, bytes)
    await expect(readKernel(path, folder)).rejects.toMatchObject({ code: 'not-a-kernel' })
  }
  await mkdir(join(folder, 'folder'))
  await expect(readKernel(join(folder, 'folder'))).rejects.toMatchObject({ code: 'not-a-kernel' })
  await expect(readKernel(join(folder, 'none'))).rejects.toMatchObject({ code: 'missing' })
})

test('a kernel that only root may read says how to make it readable', async () => {
  const folder = await temporaryFolder()
  await chmod(folder, 0o755)
  const path = await makeImage(join(folder, 'vmlinuz'), release)
  await chmod(path, 0)
  if (process.geteuid?.() === 0) {
    // Root may read everything, so change to another user for a moment.
    process.seteuid?.(65534)
    onTestFinished(() => process.seteuid?.(0))
  }
  await expect(readKernel(path, folder)).rejects.toMatchObject({
    code: 'unreadable',
    message: expect.stringContaining(`sudo chmod a+r ${path}`) as string,
  })
})
