import { readFile } from 'node:fs/promises'
import { isSystemError } from '../util/error.ts'

/** What the choice of packages needs to know of the distribution that this machine runs. */
export interface Host {
  /** `ID` of os-release: "debian", "ubuntu", … */
  readonly id: string
  /** `VERSION_CODENAME`: "bookworm"; empty if the distribution has none. */
  readonly codename: string
}

/** Parses an os-release file: `NAME=value` lines, values perhaps quoted. */
export function parseOsRelease(text: string): Host {
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^([A-Z_0-9]+)=(?:"(.*)"|'(.*)'|(.*))$/.exec(line.trim())
    const [, name, ...values] = match ?? []
    if (name !== undefined) fields.set(name, values.find((value) => value !== undefined) ?? '')
  }
  return { id: fields.get('ID') ?? '', codename: fields.get('VERSION_CODENAME') ?? '' }
}

/** Reads which distribution this machine runs; both fields are empty where no os-release file says it. */
export async function readHost(): Promise<Host> {
  for (const file of ['/etc/os-release', '/usr/lib/os-release']) {
    try {
      return parseOsRelease(await readFile(file, 'utf8'))
    } catch (error) {
      // The first path is normally a link to the second (os-release(5)).
      if (!isSystemError(error, 'ENOENT', 'ENOTDIR', 'EACCES')) throw error
    }
  }
  return { id: '', codename: '' }
}

/** The Debian suite to fetch from by default: the host's own, or `stable` where the host is not Debian. */
export function defaultSuite(host: Host): string {
  return host.id === 'debian' && host.codename !== '' ? host.codename : 'stable'
}
