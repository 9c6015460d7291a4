import { spawn } from 'node:child_process'
import { profiledServer } from '../../profiled.ts'
import { type ServerProcess, listening } from '../../server-process.ts'

/**
 * Our server as a user starts it, in a process of its own.
 *
 * @param listen what `--listen` says.
 * @param socket the path that is in there.
 */
export function startLowerdir(
  tree: string,
  listen: string,
  socket: string,
): Promise<ServerProcess> {
  return start(['dist/cli/main.js', 'serve', tree, '--listen', listen], socket)
}

/**
 * Our server as a device, profiled.
 *
 * @param profile the file to put that into when it ends.
 */
export function startProfiled(
  tree: string,
  socket: string,
  tag: string,
  profile: string,
): Promise<ServerProcess> {
  return start(profiledServer(tree, { kind: 'vhost-user', path: socket, tag }, profile), socket)
}

function start(args: readonly string[], socket: string): Promise<ServerProcess> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  return listening('lowerdir', child, socket, () => child.kill())
}
