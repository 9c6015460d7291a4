import { readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFiles } from './files.ts'
import { LEAVINGS, SCAFFOLD } from './recipe.ts'

/** Makes a root whose packages are installed one that a guest can begin with, like any other of the same packages. */
export async function tidy(root: string): Promise<void> {
  for (const path of [...Object.keys(SCAFFOLD), ...LEAVINGS]) {
    const place = join(root, path)
    const names = path.endsWith('/') ? await readdir(place).catch(() => []) : ['']
    for (const name of names) await rm(join(place, name), { recursive: true, force: true })
  }
  await writeFiles(root, { 'etc/machine-id': '' })
  await lockRoot(root)
  // systemd compares their times with those of /usr, and would otherwise set up users and caches at each boot.
  const now = new Date()
  for (const name of ['etc/.updated', 'var/.updated']) {
    await writeFile(join(root, name), '')
    await utimes(join(root, name), now, now)
  }
}

/** Nobody logs in as root with a password: none there is fits. */
async function lockRoot(root: string): Promise<void> {
  const file = join(root, 'etc/shadow')
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace(/^root:[^:]*:/m, 'root:*:'))
}
