import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'

/** The machine and the versions that the figures depend on, in one line. */
export function describeMachine(): string {
  const all = cpus()
  return [
    `${all.length} x ${all[0]?.model.trim() ?? 'unknown CPU'}`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Linux ${release()}`,
    `Node ${process.versions.node}`,
    `koffi ${version('node_modules/koffi/package.json')}`,
    new Date().toISOString().slice(0, 10),
  ].join(', ')
}

/** The version in a package.json, relative to the project's root. */
export function version(path: string): string {
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}
