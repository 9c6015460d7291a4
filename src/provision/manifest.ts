import { access, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { instead, isSystemError } from '../util/error.ts'
import { compareVersions } from './version.ts'

/** The file that says where a fetched folder came from; `Manifest` as JSON. */
const FILE = 'fetched.json'

/** Where a fetched folder came from, kept inside it. */
export interface Manifest {
  /** The Debian package that was asked for, and its version. */
  readonly package: string
  readonly version: string
  /** The suites that had this version when they were asked. */
  readonly suites: readonly string[]
  readonly architecture: string
  /** The program or kernel that was fetched, relative to the folder. */
  readonly main: string
  /** The file names of all packages that were unpacked. */
  readonly packages: readonly string[]
}

/** A fetched folder. */
export interface Fetched {
  readonly folder: string
  readonly manifest: Manifest
}

/** Writes a manifest; a reader sees the old one or the new one, nothing between. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const draft = join(folder, `.${FILE}.${process.pid}`)
  // It names the program to run: whatever the umask, nobody else writes to it.
  await writeFile(draft, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o644 })
  await rename(draft, join(folder, FILE))
}

/** Reads what is in a fetched folder; undefined if it has no manifest, a damaged one, or its main file is gone. */
export async function readFetched(folder: string): Promise<Fetched | undefined> {
  try {
    const manifest = JSON.parse(await readFile(join(folder, FILE), 'utf8')) as Manifest | null
    // Another version of lowerdir, or a user, may have written any JSON.
    if (typeof manifest?.main !== 'string') return undefined
    await access(join(folder, manifest.main))
    return { folder, manifest }
  } catch (error) {
    if (!(error instanceof SyntaxError || isSystemError(error))) throw error
    return undefined
  }
}

/** All fetched folders in `parent`, the newest version first; with `suite` only those of that suite. */
export async function listFetched(parent: string, suite?: string): Promise<Fetched[]> {
  // Any failure: $HOME, and with it the cache, may belong to another user.
  const names = await readdir(parent).catch(instead([]))
  const all = await Promise.all(names.map((name) => readFetched(join(parent, name))))
  return all
    .filter((fetched) => fetched !== undefined)
    .filter(({ manifest }) => suite === undefined || manifest.suites.includes(suite))
    .filter(({ manifest }) => manifest.architecture === process.arch)
    .toSorted((a, b) => compareVersions(b.manifest.version, a.manifest.version))
}
