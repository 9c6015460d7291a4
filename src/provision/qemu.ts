import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Archive, FetchOptions } from './archive.ts'
import { isSystemError } from '../util/error.ts'
import { architecture } from './architecture.ts'
import { cacheFolder } from './cache.ts'
import { runProgram } from '../util/program.ts'
import { ProvisionError } from './provision-error.ts'
import { placeLoader, throughLoader } from './loader.ts'
import { listFetched } from './manifest.ts'
import type { Fetched } from './manifest.ts'
import { findOnPath, namedPath } from './lookup.ts'
import { store, withArchive } from './store.ts'
import { compareVersions, withoutEpoch } from './version.ts'

/** A QEMU that can be run: `command ...args` followed by QEMU's own arguments. */
export interface Qemu {
  readonly command: string
  /** Arguments that precede QEMU's own: the loader's, for a fetched QEMU. */
  readonly args: readonly string[]
  readonly version: QemuVersion
  readonly source: 'option' | 'PATH' | 'cache'
  /** The root of the unpacked system that a fetched one lives in. */
  readonly folder?: string
}

export interface QemuVersion {
  readonly major: number
  readonly minor: number
  /** As QEMU or its package writes it: "7.2.22". */
  readonly text: string
}

/** Where to look for QEMU. */
export interface FindQemuOptions {
  /** The one that the user named, which is then the only candidate. Default: `$LOWERDIR_QEMU`. */
  readonly path?: string | undefined
  /** Accept only a fetched one of this suite. */
  readonly suite?: string | undefined
  readonly cache?: string | undefined
}

/**
 * Finds QEMU for this machine's architecture: the one that the user named, else the newest of the one
 * on `$PATH` and the fetched ones. Of equal versions the one on `$PATH` wins, because the distribution
 * keeps it up to date; a newer one is in the cache only if the user has fetched it.
 *
 * @throws ProvisionError if there is none, or the named one does not run.
 */
export async function findQemu(options: FindQemuOptions = {}): Promise<Qemu> {
  const named = options.suite === undefined ? namedPath('qemu', options.path) : options.path
  if (named !== undefined) return probe(named, 'option')

  const { qemuCommand } = architecture()
  const [newest] = await listFetched(join(options.cache ?? cacheFolder(), 'qemu'), options.suite)
  const fetched = newest && describe(newest)
  const path = options.suite === undefined ? await findOnPath(qemuCommand) : undefined
  if (path !== undefined) {
    let installed: Qemu | undefined
    try {
      installed = await probe(path, 'PATH')
    } catch (error) {
      if (!(error instanceof ProvisionError) || fetched === undefined) throw error
    }
    if (installed && (!fetched || compareQemu(installed.version, fetched.version) >= 0)) {
      return installed
    }
  }
  if (fetched !== undefined) return fetched
  const which = options.suite === undefined ? '' : ` of Debian ${options.suite}`
  const how = options.suite === undefined ? '' : ` --suite ${options.suite}`
  throw new ProvisionError(
    'not-found',
    `No QEMU${which} found (${qemuCommand}). \`lowerdir setup${how}\` fetches one.`,
  )
}

/**
 * Fetches QEMU with every library that it needs (about 40 MB to download). Returns one that has been
 * fetched before as it is.
 */
export async function fetchQemu(source: Archive | FetchOptions = {}): Promise<Qemu> {
  return withArchive(source, async (archive) => {
    const { qemuPackage, qemuCommand } = architecture()
    if (/[:;$]/.test(archive.cache)) {
      throw new ProvisionError(
        'unusable',
        `QEMU cannot run from ${archive.cache}: the search path of its loader cannot contain ` +
          'the characters : ; and $. Set LOWERDIR_CACHE to another folder.',
      )
    }
    const version = await archive.version(qemuPackage)
    const fetched = await store(archive, {
      place: join('qemu', withoutEpoch(version)),
      title: 'QEMU',
      package: qemuPackage,
      version,
      packages: [qemuPackage],
      closure: true,
      main: join('usr/bin', qemuCommand),
      finish: makeRunnable,
    })
    return describe(fetched)
  })
}

/**
 * Makes an unpacked QEMU look for modules and firmware in its own folder instead of the host's.
 *
 * If `qemu-bundle` is beside the executable, QEMU prefixes every path that was compiled in with it; this
 * is how QEMU runs from its build folder. No other way covers modules, or QEMU 11, which Debian builds
 * as not relocatable.
 *
 * @throws ProvisionError if this QEMU does not run, or looks elsewhere all the same.
 */
async function makeRunnable(folder: string): Promise<void> {
  await placeLoader(folder)
  await symlink('../..', join(folder, 'usr/bin/qemu-bundle'))
  const { command, args } = throughLoader(folder, join('usr/bin', architecture().qemuCommand))
  const { status, stdout, stderr } = await runProgram(command, [...args, '-L', 'help'])
  const folders = stdout.split('\n').filter(Boolean)
  if (status !== 0 || folders.length === 0 || !folders.every((line) => line.startsWith(folder))) {
    const said = (stderr || stdout).trim()
    throw new ProvisionError(
      'unusable',
      `The QEMU that was fetched from Debian does not run on this machine: ${said}`,
    )
  }
}

function describe({ folder, manifest }: Fetched): Qemu {
  const version = parseVersion(withoutEpoch(manifest.version))
  return { ...throughLoader(folder, manifest.main), version, source: 'cache', folder }
}

/** Asks an executable for its version. @throws ProvisionError if it is not QEMU or does not run. */
async function probe(path: string, source: 'option' | 'PATH'): Promise<Qemu> {
  const advice = 'Name another with --qemu, or let `lowerdir setup` fetch one.'
  let result
  try {
    result = await runProgram(path, ['--version'])
  } catch (error) {
    if (!isSystemError(error)) throw error
    const isMissing = error.code === 'ENOENT'
    const why = isMissing
      ? `There is no QEMU at ${path}.`
      : `${path} cannot be executed (${error.code}).`
    throw new ProvisionError('unusable', `${why} ${advice}`, { cause: error })
  }
  const text = /QEMU emulator version (\S+)/.exec(result.stdout)?.[1]
  if (result.status !== 0 || text === undefined) {
    const said = (result.stderr || result.stdout).trim().split('\n')[0] ?? ''
    throw new ProvisionError(
      'unusable',
      `${path} does not run as QEMU${said && `: it said "${said}"`}. ${advice}`,
    )
  }
  return { command: path, args: [], version: parseVersion(text), source }
}

function parseVersion(version: string): QemuVersion {
  const text = version.split('+')[0] ?? version
  const [major = 0, minor = 0] = text.split('.').map((part) => Number.parseInt(part, 10))
  return { major, minor, text }
}

function compareQemu(a: QemuVersion, b: QemuVersion): number {
  return compareVersions(`${a.major}.${a.minor}`, `${b.major}.${b.minor}`)
}
