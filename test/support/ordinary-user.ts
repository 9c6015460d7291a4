import { execFileSync } from 'node:child_process'
import { needsRoot } from './temporary.ts'

/** A user and group other than root: the id of the user nobody. */
export const ordinaryId = 65534

/**
 * Runs a piece of JavaScript, an ES module, in a process of an ordinary user's without groups or
 * capabilities; what it prints is JSON. `values` is the variable `values` in it.
 *
 * The process becomes that user once its imports are loaded: the clone may lie where only root can
 * read.
 */
export function asOrdinaryUser(script: string, values: unknown): unknown {
  needsRoot('becomes another user')
  const code = `process.setgroups([])
    process.setgid(${ordinaryId})
    process.setuid(${ordinaryId})
    const values = ${JSON.stringify(values)}
    ${script}`
  const node = ['--enable-source-maps', '--input-type=module', '--eval', code]
  return JSON.parse(execFileSync(process.execPath, node, { encoding: 'utf8', stdio: 'pipe' }))
}

/** The URL of a built module, for such a script to import. */
export function built(module: string): string {
  return new URL(`../../dist/${module}`, import.meta.url).href
}
