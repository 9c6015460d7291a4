import { join } from 'node:path'
import { Archive } from '../../src/provision/archive.ts'
import { cacheFolder } from '../../src/provision/cache.ts'
import { listFetched } from '../../src/provision/manifest.ts'
import { store } from '../../src/provision/store.ts'
import { withoutEpoch } from '../../src/provision/version.ts'

/** What real programs are built and run with, and the shell tools that their scripts want. */
const PACKAGES = [
  'dash',
  'coreutils',
  'findutils',
  'grep',
  'sed',
  'diffutils',
  'sqlite3',
  'git',
  'make',
  'gcc',
  'libc6-dev',
]

/**
 * A directory that can be a guest's root, with Debian's git, SQLite, make and gcc in it: fetched once
 * and unpacked into the cache, so that it is the same on every machine.
 */
export async function programsRoot(): Promise<string> {
  const [present = await fetchPrograms()] = await listFetched(join(cacheFolder(), 'programs'))
  return present.folder
}

async function fetchPrograms(): ReturnType<typeof store> {
  await using archive = await Archive.open()
  const version = await archive.version('git')
  return await store(archive, {
    place: join('programs', withoutEpoch(version)),
    title: 'programs to test with',
    package: 'git',
    version,
    packages: PACKAGES,
    closure: true,
    main: 'usr/bin/git',
    finish: async () => {},
  })
}
