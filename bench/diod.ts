import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import type { Program } from './programs.ts'
import { type ServerProcess, listening } from './server-process.ts'

/** Starts diod with its defaults, except that it does not authenticate clients. */
export function startDiod(
  { command, args }: Program,
  folder: string,
  socket: string,
): Promise<ServerProcess> {
  const own = ['-f', '-n', '-N', '-c', '/dev/null', '-L', 'stderr', '-e', folder, '-l', socket]
  const child = spawn(command, [...args, ...own], {
    // It sometimes dumps core when it ends.
    cwd: dirname(socket),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return listening('diod', child, socket, () => child.kill())
}
