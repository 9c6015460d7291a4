import { basename, join } from 'node:path'
import { Archive } from './archive.ts'
import type { FetchOptions } from './archive.ts'
import { ProvisionError, explainFileError } from './provision-error.ts'
import { readFetched, writeManifest } from './manifest.ts'
import type { Fetched } from './manifest.ts'
import { commitPartial, makePartial, removeFolder } from './partial.ts'
import { unpackPackages } from './unpack.ts'
import { withoutEpoch } from './version.ts'

/** Packages to fetch that become one folder of the cache. */
export interface StoreRequest {
  /** Where the folder will be, relative to the cache: "qemu/7.2+dfsg-7". */
  readonly place: string
  /** Its name for people: "QEMU". */
  readonly title: string
  /** The package that the folder is fetched for; its version is the folder's. */
  readonly package: string
  readonly version: string
  /** All packages to ask for. */
  readonly packages: readonly string[]
  readonly closure: boolean
  /** The program or kernel that is wanted, relative to the folder. */
  readonly main: string
  /** Turns the unpacked packages into the folder to keep. */
  readonly finish: (folder: string) => Promise<void>
}

/**
 * Fetches a folder into the cache, or returns it if it has been fetched before. The place holds a complete
 * folder or none, also when this fails.
 */
export async function store(archive: Archive, request: StoreRequest): Promise<Fetched> {
  const { cache, suite, signal, onProgress } = archive
  const target = join(cache, request.place)
  const present = await readFetched(target)
  if (present !== undefined) return addSuite(present, suite)

  const detail = `${request.title} ${withoutEpoch(request.version)}`
  const folder = await makePartial(cache)
  try {
    const { packages, closure } = request
    const files = await archive.download({ packages, closure, detail })
    await unpackPackages(files, folder, { detail, onProgress, signal })
    onProgress({ phase: 'finish', detail })
    await request.finish(folder)
    await writeManifest(folder, {
      package: request.package,
      version: request.version,
      suites: [suite],
      architecture: process.arch,
      main: request.main,
      packages: files.map((file) => basename(file)).toSorted(),
    })
    if ((await readFetched(folder)) === undefined) {
      throw new ProvisionError(
        'failed',
        `${detail} was unpacked, but ${request.main} is not in it.`,
      )
    }
    signal?.throwIfAborted()
    await commitPartial(cache, folder, target, async (place) => {
      return (await readFetched(place)) !== undefined
    })
  } catch (error) {
    await removeFolder(folder)
    throw explainFileError(error, cache)
  }
  const fetched = await readFetched(target)
  if (fetched === undefined) throw new Error(`${target} was removed while it was being fetched.`)
  return fetched
}

/** Calls `use` with the archive that is given, or with one that is opened for this call alone. */
export async function withArchive<T>(
  source: Archive | FetchOptions,
  use: (archive: Archive) => Promise<T>,
): Promise<T> {
  if (source instanceof Archive) return use(source)
  await using archive = await Archive.open(source)
  return await use(archive)
}

async function addSuite({ folder, manifest }: Fetched, suite: string): Promise<Fetched> {
  if (manifest.suites.includes(suite)) return { folder, manifest }
  const extended = { ...manifest, suites: [...manifest.suites, suite] }
  await writeManifest(folder, extended)
  return { folder, manifest: extended }
}
