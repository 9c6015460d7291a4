import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Writes as much of a kernel image of this machine as says which release it is. */
export async function makeImage(path: string, release: string): Promise<string> {
  const image = Buffer.alloc(8192)
  const greeting = `${release} (builder@test) #1 SMP\0`
  if (process.arch === 'x64') {
    image.write('HdrS', 0x202, 'latin1')
    image.writeUInt16LE(0x1000 - 0x200, 0x20e)
    image.write(greeting, 0x1000, 'latin1')
  } else {
    image.write('ARMd', 0x38, 'latin1')
    image.write(`Linux version ${greeting}`, 0x1000, 'latin1')
  }
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, image)
  return path
}

/** Writes a module folder that lists modules which depend on nothing. */
export async function makeModules(
  folder: string,
  modules: readonly string[] = ['9p', 'overlay', 'virtio_pci', 'virtio_net'],
): Promise<void> {
  await mkdir(folder, { recursive: true })
  const lines = modules.map((name) => `kernel/${name}.ko:\n`)
  await writeFile(join(folder, 'modules.dep'), lines.join(''))
}
