import { fork, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Listen } from '../src/server/share.ts'
import { profiledServer } from './profiled.ts'
import { type ServerProcess, listening, servedBy } from './server-process.ts'

/**
 * Starts lowerdir's server in a process of its own.
 *
 * @param access whether clients may change the folder. A profiled server always allows it.
 * @param profile the file for a profile of its engine, written when it ends; undefined for none.
 */
export async function startLowerdir(
  folder: string,
  listen: Extract<Listen, { readonly path: string }>,
  access: 'ro' | 'rw',
  profile: string | undefined,
): Promise<ServerProcess> {
  if (profile === undefined) {
    const serve = fileURLToPath(new URL('./serve.js', import.meta.url))
    const child = fork(serve, [folder, JSON.stringify(listen), access])
    return servedBy(await listening('lowerdir', child, listen.path, () => child.disconnect()))
  }
  const args = profiledServer(folder, listen, profile)
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  return servedBy(await listening('lowerdir', child, listen.path, () => child.kill()))
}
