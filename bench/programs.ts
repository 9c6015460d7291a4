import { readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Archive } from '../src/provision/archive.ts'
import { architecture } from '../src/provision/architecture.ts'
import { cacheFolder } from '../src/provision/cache.ts'
import { placeLoader, throughLoader } from '../src/provision/loader.ts'
import { listFetched } from '../src/provision/manifest.ts'
import { store } from '../src/provision/store.ts'
import { withoutEpoch } from '../src/provision/version.ts'

/** A program that can be run: `command ...args` followed by the program's own arguments. */
export interface Program {
  readonly command: string
  readonly args: readonly string[]
  readonly version: string
}

/** What is measured against, or with: the executable in the package, and the suite if it matters. */
const packages = {
  diod: { main: 'usr/sbin/diod' },
  fio: { main: 'usr/bin/fio' },
  // The newest that Debian has: it is to be beaten at its best.
  virtiofsd: { main: 'usr/libexec/virtiofsd', suite: 'sid' },
} as const

/** A program of Debian's, fetched once and unpacked into the cache, not installed. */
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

/** Puts an unpacked program's libraries where its loader looks: ceph's, which fio wants, lie one folder deeper. */
async function makeRunnable(folder: string): Promise<void> {
  await placeLoader(folder)
  const libraries = join(folder, 'usr/lib', architecture().multiarch)
  for (const name of await readdir(join(libraries, 'ceph')).catch(() => [])) {
    if (name.includes('.so')) await symlink(join('ceph', name), join(libraries, name))
  }
}
