import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Archive, FetchOptions } from './archive.ts'
import { cacheFolder } from './cache.ts'
import { ProvisionError } from './provision-error.ts'
import { placeLoader, throughLoader } from './loader.ts'
import { type Fetched, listFetched } from './manifest.ts'
import { findOnPath } from './lookup.ts'
import { store, withArchive } from './store.ts'
import { withoutEpoch } from './version.ts'

/** The program that reads text in pictures: `command ...args` followed by its own arguments. */
export interface Tesseract {
  readonly command: string
  readonly args: readonly string[]
  /** Variables that it needs in its environment. */
  readonly env: Readonly<Record<string, string>>
}

const PACKAGE = 'tesseract-ocr'
const MAIN = 'usr/bin/tesseract'

/** Debian's folder for tesseract's languages; the data is in a subfolder named by the version of the format. */
const LANGUAGES = 'usr/share/tesseract-ocr'

/**
 * Finds tesseract: on `$PATH`, else a fetched one.
 *
 * @throws ProvisionError if there is none.
 */
export async function findTesseract(
  options: { readonly cache?: string | undefined } = {},
): Promise<Tesseract> {
  const path = await findOnPath('tesseract')
  if (path !== undefined) return { command: path, args: [], env: {} }
  const [newest] = await listFetched(join(options.cache ?? cacheFolder(), 'tesseract'))
  if (newest !== undefined) return describe(newest)
  throw new ProvisionError(
    'not-found',
    'No tesseract found, the program that reads text in pictures. `lowerdir setup --ocr` fetches it; ' +
      "or install Debian's package tesseract-ocr.",
  )
}

/** Fetches tesseract with English (about 30 MB). Returns one that has been fetched before as it is. */
export async function fetchTesseract(
  source: Archive | FetchOptions = {},
): Promise<Tesseract & { readonly version: string }> {
  return withArchive(source, async (archive) => {
    const version = await archive.version(PACKAGE)
    const fetched = await store(archive, {
      place: join('tesseract', withoutEpoch(version)),
      title: 'tesseract',
      package: PACKAGE,
      version,
      packages: [PACKAGE],
      closure: true,
      main: MAIN,
      finish: placeLoader,
    })
    return { ...(await describe(fetched)), version: withoutEpoch(version) }
  })
}

async function describe({ folder, manifest }: Fetched): Promise<Tesseract> {
  const [version = ''] = await readdir(join(folder, LANGUAGES))
  const env = { TESSDATA_PREFIX: join(folder, LANGUAGES, version, 'tessdata') }
  return { ...throughLoader(folder, manifest.main), env }
}
