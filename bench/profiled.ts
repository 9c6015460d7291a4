import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Listen } from '../src/server/share.ts'

/** Node's arguments for lowerdir's server, which writes a profile of its serving process to a file when it ends. */
export function profiledServer(directory: string, listen: Listen, profile: string): string[] {
  const program = fileURLToPath(new URL('./profiled-server.js', import.meta.url))
  return [program, directory, JSON.stringify(listen), profile]
}

/** Node's arguments for the serving process itself. */
export function profiledProgram(profile: string): string[] {
  const program = fileURLToPath(new URL('../src/server/main.cjs', import.meta.url))
  const options = [`--cpu-prof-dir=${dirname(profile)}`, `--cpu-prof-name=${basename(profile)}`]
  return ['--v8-pool-size=1', '--max-semi-space-size=4', '--cpu-prof', ...options, program]
}
