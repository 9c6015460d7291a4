import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/**
 * Compiles the conformance behaviours, for machines that have nothing but Node.
 *
 * @returns the path of the script: `node SCRIPT DIRECTORY`.
 */
export function conformanceScript(): string {
  const tsc = `${root}node_modules/.bin/tsc`
  execFileSync(process.execPath, [tsc, '-p', `${root}tsconfig.conformance.json`])
  return `${root}.cache/conformance/run.js`
}

/** One line of what the script prints. */
export interface ConformanceLine {
  readonly name: string
  readonly ok: boolean
  readonly ms: number
  readonly error?: string
}

export function conformanceLines(output: string): ConformanceLine[] {
  const lines = output.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line) => JSON.parse(line) as ConformanceLine)
}
