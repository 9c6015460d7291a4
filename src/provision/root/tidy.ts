import { readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { instead } from '../../util/error.ts'
import { writeFiles } from './files.ts'
import { LEAVINGS, SCAFFOLD } from './recipe.ts'

/** Removes from an installed root what installing has left behind, so that two roots of the same packages are alike. */
export async function tidy(root: string): Promise<void> {
  for (const path of [...Object.keys(SCAFFOLD), ...LEAVINGS]) {
    const place = join(root, path)
    const names = path.endsWith('/') ? await readdir(place).catch(instead([], 'ENOENT')) : ['']
    for (const name of names) await rm(join(place, name), { recursive: true, force: true })
  }
  await writeFiles(root, { 'etc/machine-id': '' })
  await lockRoot(root)
  // systemd compares the times of these files with /usr, and would otherwise set up users and caches at each boot
  // (systemd-update-done.service(8)).
  const now = new Date()
  for (const name of ['etc/.updated', 'var/.updated']) {
    await writeFile(join(root, name), '')
    await utimes(join(root, name), now, now)
  }
}

/** Locks the password of root: no password matches `*` (shadow(5)). */
async function lockRoot(root: string): Promise<void> {
  const file = join(root, 'etc/shadow')
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace(/^root:[^:]*:/m, 'root:*:'))
}
