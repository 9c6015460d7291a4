import { startDiod as startDiodProcess } from '../diod.ts'
import { startLowerdir as startLowerdirProcess } from '../lowerdir.ts'
import type { Program } from '../programs.ts'
import type { ServerProcess } from '../server-process.ts'

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
  const listen = { kind: 'unix', path: socket } as const
  return {
    ...(await startLowerdirProcess(folder, listen, 'ro', profile)),
    name: 'lowerdir',
    socket,
  }
}

export async function startDiod(diod: Program, folder: string, socket: string): Promise<Server> {
  return { ...(await startDiodProcess(diod, folder, socket)), name: 'diod', socket }
}
