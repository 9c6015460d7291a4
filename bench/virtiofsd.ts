import { spawn } from 'node:child_process'
import type { Program } from './programs.ts'
import { type ServerProcess, listening } from './server-process.ts'

/** Starts virtiofsd with its defaults, except for the cache mode and for namespaces, which containers may not make. */
export function startVirtiofsd(
  { command, args }: Program,
  folder: string,
  socket: string,
  cache: 'never' | 'auto' | 'always',
): Promise<ServerProcess> {
  const own = ['--sandbox', 'none', '--shared-dir', folder, '--cache', cache]
  const child = spawn(command, [...args, ...own, '--socket-path', socket], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return listening('virtiofsd', child, socket, () => child.kill())
}
