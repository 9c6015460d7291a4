import { copyFile, mkdir, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { isSystemError } from '../../util/error.ts'
import { explainApt } from '../apt.ts'
import type { Archive } from '../archive.ts'
import { type ProgramOptions, type ProgramResult, runProgram } from '../../util/program.ts'
import { ProvisionError } from '../provision-error.ts'
import { extractPackage, mergeUsr } from '../unpack.ts'
import { writeFiles } from './files.ts'
import { isolated } from './isolated.ts'
import {
  ESSENTIAL,
  FOUNDATION,
  type RootRequest,
  SCAFFOLD,
  UNPACK_EXCLUDES,
  requestedPackages,
} from './recipe.ts'
import { tidy } from './tidy.ts'

/** The folder within the root that has the packages while dpkg, which runs in the root, installs them. */
const PACKAGES = 'var/cache/lowerdir'

/**
 * Fills an empty folder with an installed Debian system.
 *
 * The essential packages are first only unpacked, so that the root has a dpkg; that dpkg then installs them properly.
 * apt, which runs outside of the root, has the same dpkg install the rest in the order of their dependencies.
 *
 * @returns The file names of all packages.
 * @throws ProvisionError that says which step failed and what it printed last.
 */
export async function bootstrap(
  archive: Archive,
  root: string,
  request: RootRequest,
): Promise<string[]> {
  const { onProgress, signal } = archive
  const detail = `Debian ${request.suite}`
  const essential = await archive.resolve(ESSENTIAL)
  const packages = requestedPackages(request)
  const files = await archive.download({ packages, closure: true, detail })

  await mergeUsr(root)
  await writeFiles(root, FOUNDATION)
  await writeFiles(root, SCAFFOLD, 0o755)
  await mkdir(join(root, PACKAGES, 'partial'), { recursive: true })
  for (const [i, name] of essential.entries()) {
    onProgress({ phase: 'unpack', detail, done: i, total: essential.length })
    const file = files.find((path) => basename(path) === name)
    if (file === undefined) throw new Error(`apt did not download ${name}, which is essential.`)
    await extractPackage(file, root, TAR_OPTIONS, { signal })
  }

  const total = files.length
  const installing = (done: number): void => {
    onProgress({ phase: 'install', detail, done, total })
  }
  installing(0)
  for (const file of files) await moveFile(file, join(root, PACKAGES, basename(file)))
  const essentialDebs = essential.map((name) => `/${PACKAGES}/${name}`)
  let done = 0
  await runIsolated(root, ['chroot', root, 'dpkg', ...DPKG_OPTIONS, ...essentialDebs], {
    signal,
    onStatusLine: (line) => {
      if (/^status: .*: installed$/.test(line)) installing(++done)
    },
  })
  await runIsolated(root, ['apt-get', ...archive.installArguments(aptOptions(root)), ...packages], {
    signal,
    onStatusLine: (line) => {
      const percent = /^pmstatus:[^:]*:([\d.]+):/.exec(line)?.[1]
      if (percent === undefined) return
      const rest = total - essential.length
      installing(essential.length + Math.floor((Number(percent) * rest) / 100))
    },
  })
  installing(total)

  onProgress({ phase: 'finish', detail })
  await tidy(root)
  const sources = archive.sources.map(({ uri, suite }) => `deb ${uri} ${suite} main\n`)
  await writeFiles(root, { 'etc/apt/sources.list': sources.join('') })
  return files.map((file) => basename(file)).toSorted()
}

/** Files get the owners and the set-user-ID bits that they have in the guest. */
const TAR_OPTIONS = [
  '--numeric-owner',
  '--same-owner',
  '--same-permissions',
  ...UNPACK_EXCLUDES.flatMap((pattern) => ['--exclude', pattern]),
]

/**
 * Essential packages depend on each other in circles; it is enough that the files of all of them are there
 * (`--force-depends`). If the machine crashes, the root is not finished and is not used (`--force-unsafe-io`).
 */
const DPKG_OPTIONS = ['--force-depends', '--force-unsafe-io', '--status-fd', '3', '--install']

function aptOptions(root: string): Record<string, string> {
  return {
    'APT::Status-Fd': '3',
    'Dir::Cache::archives': join(root, PACKAGES),
    'Dir::State::status': join(root, 'var/lib/dpkg/status'),
    'Dir::State::extended_states': join(root, 'var/lib/apt/extended_states'),
    'DPkg::Chroot-Directory': root,
    'DPkg::Options::': '--force-unsafe-io',
    'DPkg::Use-Pty': 'false',
  }
}

async function runIsolated(
  root: string,
  argv: readonly string[],
  options: ProgramOptions,
): Promise<void> {
  const [command, args] = isolated(root, argv)
  const result = await runProgram(command, args, options)
  if (result.status !== 0) throw explain(argv, result)
}

function explain(argv: readonly string[], { stdout, stderr }: ProgramResult): ProvisionError {
  const cause = new Error(`${stdout}\n${stderr}`.trim())
  if (/^(unshare|mount): .*(not permitted|permission denied)/im.test(stderr)) {
    const message =
      'This user is root but may not make namespaces and mounts, as in a container without CAP_SYS_ADMIN. ' +
      "The programs that set up a root's packages need /proc and /dev mounted. Make the root on the host, or in a " +
      'privileged container.'
    return new ProvisionError('no-permission', message, { cause })
  }
  if (/No space left|Disk quota/.test(stderr)) {
    return new ProvisionError('disk-full', 'There is not enough space for the root.', { cause })
  }
  if (argv[0] === 'apt-get' && !/Sub-process .*dpkg/.test(stderr))
    return explainApt('apt-get', stderr)
  // dpkg's output includes that of the packages' scripts.
  const failed = [...stderr.matchAll(/^dpkg: error processing (?:package|archive) (\S+)/gm)]
  const which = failed.map(([, name = '']) => basename(name)).join(', ')
  const said = stderr.trim().split('\n').slice(-12).join('\n')
  const what = which === '' ? 'The packages' : which
  return new ProvisionError('failed', `${what} cannot be installed into the root:\n${said}`, {
    cause,
  })
}

/** Moves a file, by a copy where the target is on another file system. */
async function moveFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (!isSystemError(error, 'EXDEV')) throw error
    await copyFile(from, to)
    await rm(from)
  }
}
