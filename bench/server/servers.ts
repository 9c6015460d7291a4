import { fork, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { startDiod as startDiodProcess } from '../diod.ts'
import type { Program } from '../programs.ts'
import { profiledServer } from '../profiled.ts'
import { type ServerProcess, listening, servedBy } from '../server-process.ts'

/** A server in a process of its own, and where it listens. */
export interface Server extends ServerProcess {
  readonly name: string
  readonly socket: string
}

/** @param profile the file for a profile of its engine, written when it ends; undefined for none. */
export async function startLowerdir(
  folder: string,
  socket: string,
  profile: string | undefined,
): Promise<Server> {
  const server =
    profile === undefined
      ? await startPlain(folder, socket)
      : await startProfiled(folder, socket, profile)
  return { ...server, name: 'lowerdir', socket }
}

async function startPlain(folder: string, socket: string): Promise<ServerProcess> {
  const serve = fileURLToPath(new URL('./serve.js', import.meta.url))
  const child = fork(serve, [folder, socket])
  return servedBy(await listening('lowerdir', child, socket, () => child.disconnect()))
}

async function startProfiled(
  folder: string,
  socket: string,
  profile: string,
): Promise<ServerProcess> {
  const args = profiledServer(folder, { kind: 'unix', path: socket }, profile)
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  return servedBy(await listening('lowerdir', child, socket, () => child.kill()))
}

export async function startDiod(diod: Program, folder: string, socket: string): Promise<Server> {
  return { ...(await startDiodProcess(diod, folder, socket)), name: 'diod', socket }
}
