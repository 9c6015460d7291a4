import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import zlib from 'node:zlib'
import fc from 'fast-check'
import { afterEach, expect, test, vi } from 'vitest'
import { readModule } from '../../src/guest/module-file.ts'
import { ModuleFolder, resolveModules } from '../../src/guest/modules.ts'
import { temporaryFolder } from '../provision/folder.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await temporaryFolder()
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return folder
}

// As busybox's depmod writes it: dependencies in no order that one could load them in.
const dep = `kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/fs/netfs/netfs.ko.xz: kernel/fs/fscache/fs-cache.ko.xz
kernel/fs/fscache/fs-cache.ko.xz:
kernel/net/9p/9pnet.ko.xz: kernel/fs/netfs/netfs.ko.xz kernel/fs/fscache/fs-cache.ko.xz
kernel/fs/ext4/ext4.ko.xz: kernel/fs/mbcache.ko.xz
kernel/fs/mbcache.ko.xz:
kernel/arch/x86/crypto/crc32c-intel.ko.xz:
kernel/crypto/crc32c_generic.ko.xz:
`
const files = {
  'modules.dep': dep,
  'modules.builtin': 'kernel/drivers/virtio/virtio-pci.ko\nkernel/fs/sysfs/sysfs.ko\n',
  'modules.alias': `# Aliases
alias fs-9p 9p
alias crc32c crc32c_intel
alias crc32c crc32c_generic
alias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci
`,
  'modules.softdep': `# Soft dependencies
softdep ext4 pre: crc32c missing post: sysfs
softdep crc32c_intel pre: ext4
`,
}

const names = async (folder: string, ...asked: string[]) =>
  (await resolveModules({ modules: folder }, asked)).map(({ name }) => name)

test('each module comes after what it depends on, and none twice', async () => {
  const folder = await folderWith(files)
  const modules = await resolveModules({ modules: folder }, ['9p', '9pnet', 'netfs'])
  expect(modules).toEqual([
    { name: 'fs_cache', file: join(folder, 'kernel/fs/fscache/fs-cache.ko.xz') },
    { name: 'netfs', file: join(folder, 'kernel/fs/netfs/netfs.ko.xz') },
    { name: '9pnet', file: join(folder, 'kernel/net/9p/9pnet.ko.xz') },
    { name: '9p', file: join(folder, 'kernel/fs/9p/9p.ko.xz') },
  ])
})

test('hyphens and underscores are the same, built-ins need nothing', async () => {
  const folder = await folderWith(files)
  expect(await names(folder, 'fs-cache', 'fs_cache', 'virtio_pci', 'virtio-pci')).toEqual([
    'fs_cache',
  ])
})

test('an alias stands for all modules that carry it', async () => {
  const folder = await folderWith(files)
  expect(await names(folder, 'fs-9p')).toContain('9p')
  expect(await names(folder, 'crc32c')).toContain('crc32c_generic')
})

test('soft dependencies come first if they are there, and may go in circles', async () => {
  const folder = await folderWith(files)
  expect(await names(folder, 'ext4')).toEqual(['crc32c_intel', 'crc32c_generic', 'mbcache', 'ext4'])
})

test('an unknown name is named, unless it is optional', async () => {
  const folder = await folderWith(files)
  await expect(names(folder, '9p', 'nonesuch')).rejects.toMatchObject({
    name: 'UnknownModuleError',
    module: 'nonesuch',
    message: expect.stringContaining('no module nonesuch') as string,
  })
  const options = { optional: ['nonesuch'] }
  expect(await resolveModules({ modules: folder }, ['nonesuch'], options)).toEqual([])
})

test('a folder without modules.dep cannot be opened; the other indexes may be missing', async () => {
  const folder = await folderWith({ 'modules.builtin': '' })
  await expect(ModuleFolder.open(folder)).rejects.toThrow('modules.dep')
  await writeFile(join(folder, 'modules.dep'), dep)
  const opened = await ModuleFolder.open(folder)
  expect(opened.has('9p')).toBe(true)
  expect(opened.has('virtio_pci')).toBe(false)
})

test('for any dependencies, the order can be loaded', async () => {
  const folder = await temporaryFolder()
  // Module i depends on some of those before it.
  const graphs = fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(
      graphs,
      fc.array(fc.nat(), { minLength: 1, maxLength: 5 }),
      async (graph, asked) => {
        const dependencies = graph.map((row, i) => (i === 0 ? [] : row.map((each) => each % i)))
        const lines = dependencies.map(
          (row, i) => `a/m${i}.ko: ${row.map((j) => `a/m${j}.ko`).join(' ')}`,
        )
        await writeFile(join(folder, 'modules.dep'), lines.join('\n'))
        const order = await names(folder, ...asked.map((each) => `m${each % graph.length}`))
        expect(new Set(order).size).toBe(order.length)
        for (const [at, name] of order.entries()) {
          const row = dependencies[Number(name.slice(1))] ?? []
          for (const j of row) expect(order.slice(0, at)).toContain(`m${j}`)
        }
      },
    ),
    { numRuns: 50 },
  )
})

const elf = Buffer.concat([Buffer.from('\x7fELF', 'latin1'), Buffer.alloc(1000, 'module')])

test('a module is read plain, from gzip and from xz', async () => {
  const folder = await temporaryFolder()
  const plain = join(folder, 'a.ko')
  await writeFile(plain, elf)
  await writeFile(`${plain}.gz`, zlib.gzipSync(elf))
  await writeFile(`${plain}.xz`, execFileSync('xz', ['--stdout', '--check=crc32'], { input: elf }))
  for (const end of ['', '.gz', '.xz']) {
    expect(Buffer.from(await readModule(plain + end))).toEqual(elf)
  }
})

test('a module in zstd is read, or what that takes is said', async () => {
  const file = join(await temporaryFolder(), 'a.ko.zst')
  // zstd's frame with one raw block: magic, no checksum, the size in one byte, last block of 4.
  await writeFile(file, Buffer.from('28b52ffd20042100007f454c46', 'hex'))
  vi.stubEnv('PATH', '/nonexistent')
  const outcome = await readModule(file).then(
    ({ length }) => `${length} bytes`,
    (error: unknown) => String(error),
  )
  expect(outcome).toMatch('zstdDecompressSync' in zlib ? '4 bytes' : 'reading it takes zstd')
})

test('without a decompressor, or with damaged bytes, the error names the file', async () => {
  const folder = await temporaryFolder()
  const file = join(folder, 'a.ko.xz')
  await writeFile(file, 'not xz')
  await expect(readModule(file)).rejects.toThrow(`${file} cannot be decompressed`)
  vi.stubEnv('PATH', '/nonexistent')
  await expect(readModule(file)).rejects.toThrow('xz-utils')
  await mkdir(join(folder, 'b'))
  await writeFile(join(folder, 'b/a.ko'), 'text')
  await expect(readModule(join(folder, 'b/a.ko'))).rejects.toThrow('is not a kernel module')
  await writeFile(join(folder, 'b/a.ko.lz4'), 'text')
  await expect(readModule(join(folder, 'b/a.ko.lz4'))).rejects.toThrow('does not know')
})
