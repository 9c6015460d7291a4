import { readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Archive } from '../src/provision/archive.ts'
import { architecture } from '../src/provision/architecture.ts'
import { cacheFolder } from '../src/provision/cache.ts'
import { placeLoader, throughLoader } from '../src/provision/loader.ts'
import { listFetched } from '../src/provision/manifest.ts'
import { store } from '../src/provision/store.ts'
import { withoutEpoch } from '../src/provision/version.ts'
import { instead } from '../src/util/error.ts'

/** A program that can be run: `command ...args` followed by the program's own arguments. */
export interface Program {
  readonly command: string
  readonly args: readonly string[]
  readonly version: string
}

/** The programs to compare with and to measure with: the executable in the package, and the suite if it matters. */
const packages = {
  diod: { main: 'usr/sbin/diod' },
  fio: { main: 'usr/bin/fio' },
  // The newest that Debian has, so that the comparison is with its best.
  virtiofsd: { main: 'usr/libexec/virtiofsd', suite: 'sid' },
} as const

/** A program from Debian, fetched once and unpacked into the cache without installing it. */
export async function provideProgram(
  name: keyof typeof packages,
  log: (line: string) => void,
): Promise<Program> {
  const [present = await fetchProgram(name, log)] = await listFetched(join(cacheFolder(), name))
  const { folder, manifest } = present
  return { ...throughLoader(folder, manifest.main), version: withoutEpoch(manifest.version) }
}

async function fetchProgram(
  name: keyof typeof packages,
  log: (line: string) => void,
): ReturnType<typeof store> {
  log(`fetching ${name}`)
  const { main, suite }: { readonly main: string; readonly suite?: string } = packages[name]
  await using archive = await Archive.open({ suite })
  const version = await archive.version(name)
  return await store(archive, {
    place: join(name, withoutEpoch(version)),
    title: name,
    package: name,
    version,
    packages: [name],
    closure: true,
    main,
    finish: makeRunnable,
  })
}

/** Links libraries into the folder where the loader looks: those of ceph, which fio needs, are one folder deeper. */
async function makeRunnable(folder: string): Promise<void> {
  await placeLoader(folder)
  const libraries = join(folder, 'usr/lib', architecture().multiarch)
  for (const name of await readdir(join(libraries, 'ceph')).catch(instead([], 'ENOENT'))) {
    if (name.includes('.so')) await symlink(join('ceph', name), join(libraries, name))
  }
}
