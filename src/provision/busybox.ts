import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Archive, FetchOptions } from './archive.ts'
import { cacheFolder } from './cache.ts'
import { instead, isSystemError } from '../util/error.ts'
import { runProgram } from '../util/program.ts'
import { readElf } from './elf.ts'
import { ProvisionError } from './provision-error.ts'
import { listFetched } from './manifest.ts'
import { exists, findOnPath, namedPath } from './lookup.ts'
import { store, withArchive } from './store.ts'
import { withoutEpoch } from './version.ts'

/** A busybox that can be the whole userland of an initramfs. */
export interface Busybox {
  /** The executable, statically linked. */
  readonly path: string
  readonly source: 'option' | 'cache' | 'PATH'
}

/** Where to look for a busybox. */
export interface FindBusyboxOptions {
  /** The one that the user named, which is then the only candidate. Default: `$LOWERDIR_BUSYBOX`. */
  readonly path?: string | undefined
  readonly cache?: string | undefined
}

/** What the guest's init script and agent are made of. */
const NEEDED_APPLETS =
  'cat chroot insmod ip kill ln mkdir mkfifo mount poweroff setsid sh sleep stty'.split(' ')

const PACKAGE = 'busybox-static'

/**
 * Finds a static busybox: one that the user named, else a fetched one, else one on `$PATH`. A
 * fetched one comes before `$PATH` because lowerdir is tested with it; a distribution chooses which
 * applets its own busybox has.
 *
 * @throws ProvisionError that says for each busybox that is here why it cannot be used.
 */
export async function findBusybox(options: FindBusyboxOptions = {}): Promise<Busybox> {
  const named = namedPath('busybox', options.path)
  if (named !== undefined) {
    const fault = await faultOf(named)
    if (fault !== undefined) throw new ProvisionError('unusable', fault)
    return { path: named, source: 'option' }
  }

  const fetched = await listFetched(join(options.cache ?? cacheFolder(), 'busybox'))
  const candidates: Busybox[] = fetched.map(({ folder, manifest }) => {
    return { path: join(folder, manifest.main), source: 'cache' }
  })
  for (const path of [await findOnPath('busybox'), '/bin/busybox', '/usr/bin/busybox']) {
    if (path !== undefined && (await exists(path))) candidates.push({ path, source: 'PATH' })
  }
  const faults = new Set<string>()
  for (const candidate of candidates) {
    const fault = await faultOf(candidate.path)
    if (fault === undefined) return candidate
    faults.add(fault)
  }
  const found = [...faults].map((fault) => ` ${fault}`).join('')
  throw new ProvisionError(
    'not-found',
    `No static busybox found.${found} \`lowerdir setup\` fetches one.`,
  )
}

/** Fetches Debian's static busybox (1 MB). Returns one that has been fetched before as it is. */
export async function fetchBusybox(source: Archive | FetchOptions = {}): Promise<Busybox> {
  return withArchive(source, async (archive) => {
    const version = await archive.version(PACKAGE)
    const { folder, manifest } = await store(archive, {
      place: join('busybox', withoutEpoch(version)),
      title: 'busybox',
      package: PACKAGE,
      version,
      packages: [PACKAGE],
      closure: false,
      main: 'busybox',
      finish: keepExecutable,
    })
    return { path: join(folder, manifest.main), source: 'cache' }
  })
}

/** Keeps the executable alone; the package's documentation and hooks are of no use. */
async function keepExecutable(folder: string): Promise<void> {
  await mkdir(join(folder, 'keep'))
  await rename(join(folder, 'usr/bin/busybox'), join(folder, 'keep/busybox'))
  for (const name of ['bin', 'sbin', 'lib', 'lib64', 'usr']) {
    await rm(join(folder, name), { recursive: true })
  }
  await rename(join(folder, 'keep/busybox'), join(folder, 'busybox'))
  await rm(join(folder, 'keep'), { recursive: true })
}

/** Why a busybox cannot be used, as a sentence; undefined if it can. */
async function faultOf(path: string): Promise<string | undefined> {
  let elf
  try {
    elf = await readElf(path)
  } catch (error) {
    if (!isSystemError(error)) throw error
    return error.code === 'ENOENT'
      ? `There is no ${path}.`
      : `${path} cannot be read (${error.code}).`
  }
  if (elf === undefined) return `${path} is not an executable of this kind of machine.`
  if (elf.arch !== process.arch) return `${path} is for another kind of CPU.`
  if (!elf.isStatic) {
    return `${path} is linked dynamically, and the guest's first system has no libraries.`
  }
  const listing = await runProgram(path, ['--list']).catch(instead(undefined))
  if (listing?.status !== 0) return `${path} does not list its applets: it is not a busybox.`
  const applets = new Set(listing.stdout.split('\n').map((name) => name.trim()))
  const missing = NEEDED_APPLETS.filter((name) => !applets.has(name))
  if (missing.length > 0) return `${path} has no applet ${missing.join(', ')}.`
  return undefined
}
