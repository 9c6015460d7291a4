import { join } from 'node:path'
import { Archive } from '../src/provision/archive.ts'
import { cacheFolder } from '../src/provision/cache.ts'
import { placeLoader, throughLoader } from '../src/provision/loader.ts'
import { listFetched } from '../src/provision/manifest.ts'
import { store } from '../src/provision/store.ts'
import { withoutEpoch } from '../src/provision/version.ts'

/** A diod that can be run: `command ...args` followed by diod's own arguments. */
export interface Diod {
  readonly command: string
  readonly args: readonly string[]
  readonly version: string
}

/** Debian's diod, fetched once and unpacked into the cache, not installed. */
export async function provideDiod(log: (line: string) => void): Promise<Diod> {
  const [present = await fetchDiod(log)] = await listFetched(join(cacheFolder(), 'diod'))
  const { folder, manifest } = present
  return { ...throughLoader(folder, manifest.main), version: manifest.version }
}

async function fetchDiod(log: (line: string) => void): ReturnType<typeof store> {
  log('fetching diod')
  await using archive = await Archive.open()
  const version = await archive.version('diod')
  return await store(archive, {
    place: join('diod', withoutEpoch(version)),
    title: 'diod',
    package: 'diod',
    version,
    packages: ['diod'],
    closure: true,
    main: 'usr/sbin/diod',
    finish: placeLoader,
  })
}
