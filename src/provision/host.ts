import { readFile } from 'node:fs/promises'

/** Which distribution this machine runs, as far as choosing packages is concerned. */
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

/** Reads which distribution this machine runs; a machine that does not say is nobody's. */
export async function readHost(): Promise<Host> {
  for (const file of ['/etc/os-release', '/usr/lib/os-release']) {
    try {
      return parseOsRelease(await readFile(file, 'utf8'))
    } catch {
      // The second place is where the first one normally points.
    }
  }
  return { id: '', codename: '' }
}

/** The Debian suite that suits a host: its own, or `stable` where the host is no Debian. */
export function defaultSuite(host: Host): string {
  return host.id === 'debian' && host.codename !== '' ? host.codename : 'stable'
}
