import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { startDiod as startDiodProcess } from '../diod.ts'
import type { Program } from '../programs.ts'
import { type ServerProcess, listening } from '../server-process.ts'

/** A server in a process of its own, and where it listens. */
export interface Server extends ServerProcess {
  readonly name: string
  readonly socket: string
}

/** @param nodeOptions for its process: to profile it. */
export async function startLowerdir(
  folder: string,
  socket: string,
  nodeOptions: readonly string[],
): Promise<Server> {
  const serve = fileURLToPath(new URL('./serve.js', import.meta.url))
  const child = fork(serve, [folder, socket], { execArgv: [...nodeOptions] })
  const server = await listening('lowerdir', child, socket, () => child.disconnect())
  return { ...server, name: 'lowerdir', socket }
}

export async function startDiod(diod: Program, folder: string, socket: string): Promise<Server> {
  return { ...(await startDiodProcess(diod, folder, socket)), name: 'diod', socket }
}
