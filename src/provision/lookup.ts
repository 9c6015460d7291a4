import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { instead } from '../util/error.ts'

/** The environment variables that name a part, for users who do not want to repeat the option on each call. */
const VARIABLES = {
  qemu: 'LOWERDIR_QEMU',
  busybox: 'LOWERDIR_BUSYBOX',
  kernel: 'LOWERDIR_KERNEL',
} as const

/** The path that the user named for a part: with an option, else with the environment. */
export function namedPath(
  part: keyof typeof VARIABLES,
  option: string | undefined,
): string | undefined {
  return option ?? (process.env[VARIABLES[part]] || undefined)
}

/** Finds an executable by name in the folders of `$PATH`; the first one, as a shell would. */
export async function findOnPath(
  name: string,
  path: string = process.env['PATH'] ?? '',
): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    if (folder === '') continue
    const candidate = join(folder, name)
    if (await isExecutable(candidate).catch(instead(false))) return candidate
  }
  return undefined
}

/** Whether there is anything at a path that this process can reach. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(() => true, instead(false))
}

/** @throws Node's error where this process may not execute what is there, or nothing is. */
async function isExecutable(path: string): Promise<boolean> {
  await access(path, constants.X_OK)
  return (await stat(path)).isFile()
}
