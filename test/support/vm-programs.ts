import { join } from 'node:path'
import { Archive } from '../../src/provision/archive.ts'
import { cacheFolder } from '../../src/provision/cache.ts'
import { listFetched } from '../../src/provision/manifest.ts'
import { store } from '../../src/provision/store.ts'
import { withoutEpoch } from '../../src/provision/version.ts'

/** Programs for a guest: the package that they are called after, all that are asked for, and what all is about. */
interface Programs {
  readonly place: string
  readonly package: string
  readonly packages: readonly string[]
  readonly main: string
}

/** What real programs are built and run with, and the shell tools that their scripts want. */
const programs: Programs = {
  place: 'programs',
  package: 'git',
  packages: [
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
  ],
  main: 'usr/bin/git',
}

/** An X server that needs no graphics card, and programs with windows. */
const windows: Programs = {
  place: 'windows',
  package: 'xvfb',
  packages: ['dash', 'coreutils', 'xvfb', 'x11-utils', 'xterm'],
  main: 'usr/bin/Xvfb',
}

/**
 * A directory that can be a guest's root, with Debian's git, SQLite, make and gcc in it: fetched once
 * and unpacked into the cache, so that it is the same on every machine.
 */
export function programsRoot(): Promise<string> {
  return unpacked(programs)
}

/** Another, with Xvfb, xwininfo and xterm. */
export function windowsRoot(): Promise<string> {
  return unpacked(windows)
}

async function unpacked(what: Programs): Promise<string> {
  const [present = await fetchPrograms(what)] = await listFetched(join(cacheFolder(), what.place))
  return present.folder
}

async function fetchPrograms(what: Programs): ReturnType<typeof store> {
  await using archive = await Archive.open()
  const version = await archive.version(what.package)
  return await store(archive, {
    place: join(what.place, withoutEpoch(version)),
    title: `${what.place} to test with`,
    package: what.package,
    version,
    packages: what.packages,
    closure: true,
    main: what.main,
    finish: async () => {},
  })
}
