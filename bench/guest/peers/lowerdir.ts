import { spawn } from 'node:child_process'
import type { Caching } from '../../../src/fuse/caching.ts'
import { profiledServer } from '../../profiled.ts'
import { type ServerProcess, listening, servedBy } from '../../server-process.ts'

/**
 * Starts lowerdir's server as a user does, in a process of its own.
 *
 * @param listen the value of `--listen`.
 * @param socket the path in that value.
 */
export function startLowerdir(
  tree: string,
  access: 'ro' | 'rw',
  listen: string,
  socket: string,
): Promise<ServerProcess> {
  const readOnly = access === 'ro' ? ['--read-only'] : []
  return start(['dist/cli/main.js', 'serve', tree, ...readOnly, '--listen', listen], socket)
}

/**
 * Starts lowerdir's server as a file system device, with a profiler.
 *
 * @param profile the file for the profile, written when the server ends.
 */
export function startProfiled(
  tree: string,
  socket: string,
  caching: Caching,
  profile: string,
): Promise<ServerProcess> {
  const listen = { kind: 'virtiofs', path: socket, caching, remoteLocks: true } as const
  return start(profiledServer(tree, listen, profile), socket)
}

async function start(args: readonly string[], socket: string): Promise<ServerProcess> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  return servedBy(await listening('lowerdir', child, socket, () => child.kill()))
}
