import { mkdir, readFile, readdir, rename, rmdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Archive, type FetchOptions } from '../archive.ts'
import { cacheFolder } from '../cache.ts'
import { ProvisionError, explainFileError } from '../provision-error.ts'
import { defaultSuite, readHost } from '../host.ts'
import { instead, isSystemError } from '../../util/error.ts'
import { type Manifest, readFetched, writeManifest } from '../manifest.ts'
import { commitPartial, makePartial, removeFolder } from '../partial.ts'
import { bootstrap } from './bootstrap.ts'
import { type RootRequest, rootKey } from './recipe.ts'

/** A Debian system in a folder, which can be the root of a guest. */
export interface Root {
  readonly folder: string
  readonly suite: string
  /** What /etc/debian_version says: "12.12", "forky/sid". */
  readonly release: string
  /** The file names of its packages. */
  readonly packages: readonly string[]
}

/** Which root to make, and how. */
export interface RootOptions extends FetchOptions {
  /** Packages in addition to those that every root has: `['nginx', 'curl']`. */
  readonly include?: readonly string[] | undefined
}

const NOT_ROOT =
  'Only root can make a Debian root: its files belong to several users, and the programs that set up its ' +
  'packages run as root in it. Make it with sudo; an ordinary user can then run guests on it.'

/**
 * Makes the root of a Debian system with systemd in `folder`, which must be empty or not exist yet. The root is
 * filled in a folder beside it and moved when it is finished, so `folder` never holds an incomplete one.
 *
 * Needs root, about 45 MB of downloads from the mirror that this machine uses, and 150 MB of disk. It starts no
 * service and leaves no mount.
 *
 * @throws ProvisionError with the reason when the root cannot be made.
 */
export async function makeRoot(folder: string, options: RootOptions = {}): Promise<Root> {
  requireRoot()
  const target = resolve(folder)
  await requireVacant(target)
  const request = await requestOf(options)
  await using archive = await Archive.open({ ...options, suite: request.suite })
  // Beside the place, on the same file system.
  const workshop = join(dirname(target), `.${basename(target)}.lowerdir`)
  try {
    const partial = await makePartial(workshop)
    try {
      const made = await build(archive, partial, request)
      await requireVacant(target)
      await rename(join(partial, ROOT), target)
      return await describe(target, request, made)
    } finally {
      await removeFolder(partial)
    }
  } catch (error) {
    throw explainPlace(error, dirname(target), archive.cache)
  } finally {
    // Any failure: another process may be at work there, or the folder could not be made at all.
    for (const name of [join(workshop, 'partial'), workshop])
      await rmdir(name).catch(instead(undefined))
  }
}

/**
 * The same, kept in the cache. Returns a root of this suite with these packages that has been made before at once,
 * however old its packages are; remove its folder to have it made anew.
 */
export async function fetchRoot(options: RootOptions = {}): Promise<Root> {
  const { cache = cacheFolder() } = options
  const request = await requestOf(options)
  const place = join(cache, 'roots', rootKey(request))
  const present = await readFetched(place)
  if (present !== undefined) return describe(join(place, ROOT), request, present.manifest)

  requireRoot()
  await using archive = await Archive.open({ ...options, suite: request.suite, cache })
  const partial = await makePartial(cache)
  try {
    const manifest = await build(archive, partial, request)
    await writeManifest(partial, manifest)
    await commitPartial(cache, partial, place, async (found) => {
      return (await readFetched(found)) !== undefined
    })
    return await describe(join(place, ROOT), request, manifest)
  } catch (error) {
    throw explainFileError(error, cache)
  } finally {
    await removeFolder(partial)
  }
}

/** The root's folder within its folder of the cache, where the manifest is beside it. */
const ROOT = 'root'

/** The package whose version is the release of Debian. */
const RELEASE_PACKAGE = 'base-files'

async function build(archive: Archive, partial: string, request: RootRequest): Promise<Manifest> {
  const root = join(partial, ROOT)
  await mkdir(root)
  const version = await archive.version(RELEASE_PACKAGE)
  const packages = await bootstrap(archive, root, request)
  archive.signal?.throwIfAborted()
  return {
    package: RELEASE_PACKAGE,
    version,
    suites: [request.suite],
    architecture: process.arch,
    main: join(ROOT, 'usr/lib/os-release'),
    packages,
  }
}

async function describe(
  folder: string,
  { suite }: RootRequest,
  { packages }: Manifest,
): Promise<Root> {
  const release = (await readFile(join(folder, 'etc/debian_version'), 'utf8')).trim()
  return { folder, suite, release, packages }
}

async function requestOf({ suite, include = [] }: RootOptions): Promise<RootRequest> {
  return { suite: suite ?? defaultSuite(await readHost()), include }
}

function requireRoot(): void {
  if (process.getuid?.() !== 0) throw new ProvisionError('no-permission', NOT_ROOT)
}

/** As {@link explainFileError}, for a root outside of the cache: LOWERDIR_CACHE would not help. */
function explainPlace(error: unknown, parent: string, cache: string): unknown {
  const explained = explainFileError(error, parent)
  if (!(explained instanceof ProvisionError)) return error
  switch (explained.code) {
    case 'disk-full':
      return new ProvisionError(
        'disk-full',
        `There is not enough space for the root in ${parent}, or for its packages in ${cache}. Free some.`,
        { cause: error },
      )
    case 'no-permission':
      // A step that failed for its own reason has said it.
      if (explained === error) return error
      return new ProvisionError(
        'no-permission',
        `${parent} cannot be written. Name another place for the root.`,
        { cause: error },
      )
    default:
      return explained
  }
}

async function requireVacant(folder: string): Promise<void> {
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return
    if (!isSystemError(error, 'ENOTDIR')) throw error
    names = [basename(folder)]
  }
  if (names.length === 0) return
  throw new ProvisionError(
    'unusable',
    `${folder} exists and is not an empty folder. Name another place, or remove it first.`,
  )
}
