import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import type { Program } from './programs.ts'
import { type ServerProcess, listening } from './server-process.ts'

/** diod with its own defaults, but without a look at who attaches. */
export function startDiod(
  { command, args }: Program,
  folder: string,
  socket: string,
): Promise<ServerProcess> {
  const own = ['-f', '-n', '-N', '-c', '/dev/null', '-L', 'stderr', '-e', folder, '-l', socket]
  const child = spawn(command, [...args, ...own], {
    // Where it may leave what it leaves: it sometimes dumps its core at the end.
    cwd: dirname(socket),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return listening('diod', child, socket, () => child.kill())
}
