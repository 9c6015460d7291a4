import { spawn } from 'node:child_process'
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
  listen: string,
  socket: string,
): Promise<ServerProcess> {
  return start(['dist/cli/main.js', 'serve', tree, '--listen', listen], socket)
}

/**
 * Starts lowerdir's server as a device, with a profiler.
 *
 * @param profile the file for the profile, written when the server ends.
 */
export function startProfiled(
  tree: string,
  socket: string,
  tag: string,
  profile: string,
): Promise<ServerProcess> {
  return start(profiledServer(tree, { kind: 'vhost-user', path: socket, tag }, profile), socket)
}

async function start(args: readonly string[], socket: string): Promise<ServerProcess> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  return servedBy(await listening('lowerdir', child, socket, () => child.kill()))
}
