import { spawn } from 'node:child_process'
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
  const args = ['dist/cli/main.js', 'serve', tree, '--listen', listen]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  return listening('lowerdir', child, socket, () => child.kill())
}
