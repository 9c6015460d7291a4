import { basename, join } from 'node:path'
import { Archive } from './archive.ts'
import type { FetchOptions } from './archive.ts'
import { ProvisionError, explainFileError } from './provision-error.ts'
import { readFetched, writeManifest } from './manifest.ts'
import type { Fetched } from './manifest.ts'
import { commitPartial, makePartial, removeFolder } from './partial.ts'
import { unpackPackages } from './unpack.ts'
import { withoutEpoch } from './version.ts'

/** One thing to fetch: packages that become one folder of the cache. */
export interface StoreRequest {
  /** Where it will be, relative to the cache: "qemu/7.2+dfsg-7". */
  readonly place: string
  /** What a person calls it: "QEMU". */
  readonly title: string
  /** The package that gives the whole its name and version. */
  readonly package: string
  readonly version: string
  /** All packages to ask for. */
  readonly packages: readonly string[]
  readonly closure: boolean
  /** The file that all is about, relative to the folder. */
  readonly main: string
  /** Turns the unpacked packages into what is kept. */
  readonly finish: (folder: string) => Promise<void>
}

/**
 * Fetches one thing into the cache, or returns it if it is there already. However this ends, the
 * place holds either a complete folder or none.
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

/** Uses an archive that is open already, or opens one for a single fetch. */
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
