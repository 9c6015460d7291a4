import { fileURLToPath } from 'node:url'
import type { Listen } from '../src/server/share.ts'

/** Node's arguments for lowerdir's server, which writes a profile of its engine's thread to a file when it ends. */
export function profiledServer(directory: string, listen: Listen, profile: string): string[] {
  const program = fileURLToPath(new URL('./profiled-server.js', import.meta.url))
  return [program, directory, JSON.stringify(listen), profile]
}
