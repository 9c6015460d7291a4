import { access, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compareVersions } from './version.ts'

/** The file that says where a fetched folder came from. */
const FILE = 'fetched.json'

/** Where a fetched folder came from, kept inside it. */
export interface Manifest {
  /** The Debian package that was asked for, and its version. */
  readonly package: string
  readonly version: string
  /** The suites that had this version when they were asked. */
  readonly suites: readonly string[]
  readonly architecture: string
  /** The file that all is about, relative to the folder. */
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
  await writeFile(draft, `${JSON.stringify(manifest, null, 2)}\n`)
  await rename(draft, join(folder, FILE))
}

/** Reads what is in a fetched folder; undefined if it is none or its main file is gone. */
export async function readFetched(folder: string): Promise<Fetched | undefined> {
  try {
    const manifest = JSON.parse(await readFile(join(folder, FILE), 'utf8')) as Manifest
    await access(join(folder, manifest.main))
    return { folder, manifest }
  } catch {
    return undefined
  }
}

/** Everything fetched into `parent`, newest version first, optionally of one suite only. */
export async function listFetched(parent: string, suite?: string): Promise<Fetched[]> {
  const names = await readdir(parent).catch(() => [])
  const all = await Promise.all(names.map((name) => readFetched(join(parent, name))))
  return all
    .filter((fetched) => fetched !== undefined)
    .filter(({ manifest }) => suite === undefined || manifest.suites.includes(suite))
    .filter(({ manifest }) => manifest.architecture === process.arch)
    .toSorted((a, b) => compareVersions(b.manifest.version, a.manifest.version))
}
