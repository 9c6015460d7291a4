import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { architecture } from './architecture.ts'

/** The name of the loader's copy; see `placeLoader`. */
const LOADER = 'usr/bin/loader'

/**
 * Copies an unpacked system's loader into its usr/bin.
 *
 * QEMU looks for its modules and firmware relative to the file that /proc/self/exe names, and that
 * is the loader when a program is started through it. From usr/bin all of those paths lead into
 * the unpacked system and none into the host's.
 */
export async function placeLoader(folder: string): Promise<void> {
  const { multiarch, loader } = architecture()
  await copyFile(join(folder, 'usr/lib', multiarch, loader), join(folder, LOADER))
}

/**
 * How to run a program of an unpacked system: through that system's loader, with its libraries and
 * no others.
 *
 * @param program the path relative to the folder.
 * @param name argv[0] of the program, which some programs choose their task by; default: its path.
 */
export function throughLoader(
  folder: string,
  program: string,
  name?: string,
): { command: string; args: string[] } {
  const libraries = join(folder, 'usr/lib', architecture().multiarch)
  return {
    command: join(folder, LOADER),
    args: [
      '--inhibit-cache',
      '--library-path',
      libraries,
      ...(name === undefined ? [] : ['--argv0', name]),
      join(folder, program),
    ],
  }
}
