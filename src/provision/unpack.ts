import { mkdir, rm, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { runProgram } from '../util/program.ts'
import { ProvisionError, diskFull } from './provision-error.ts'
import type { OnProgress } from './archive.ts'

/** What to unpack and how to report it. */
export interface UnpackOptions {
  readonly detail: string
  readonly onProgress: OnProgress
  readonly signal?: AbortSignal | undefined
}

/**
 * Unpacks the files of a package into a folder. Not `dpkg-deb --extract`, because that replaces a link to
 * a folder by a folder, and {@link mergeUsr} makes such links.
 */
const EXTRACT =
  'file=$1; folder=$2; shift 2; ' +
  'dpkg-deb --fsys-tarfile "$file" | tar --extract --directory "$folder" --keep-directory-symlink "$@"'

/** The files belong to this user, and no program keeps its set-user-ID bit: the cache gets no security updates. */
const AS_OURS = ['--no-same-owner', '--no-same-permissions']

const WITHOUT_MANUALS = ['doc', 'man', 'locale'].flatMap((name) => [
  '--exclude',
  `./usr/share/${name}`,
])

/**
 * Unpacks packages into one folder as into the root of a system, without their manuals and without
 * running their scripts, and deletes each .deb once it is unpacked.
 */
export async function unpackPackages(
  files: readonly string[],
  folder: string,
  { detail, onProgress, signal }: UnpackOptions,
): Promise<void> {
  await mergeUsr(folder)
  for (const [done, file] of files.entries()) {
    onProgress({ phase: 'unpack', detail, done, total: files.length })
    await extractPackage(file, folder, [...AS_OURS, ...WITHOUT_MANUALS], { signal })
    await rm(file)
  }
  onProgress({ phase: 'unpack', detail, done: files.length, total: files.length })
}

/**
 * Unpacks one package into a folder that may already hold the files of others.
 *
 * @param options tar's options for the owners of the files, and for files to leave out.
 */
export async function extractPackage(
  file: string,
  folder: string,
  options: readonly string[],
  { signal }: { readonly signal: AbortSignal | undefined },
): Promise<void> {
  // The pipe's status is tar's. If dpkg-deb fails, tar fails as well: its archive is not complete.
  const args = ['-c', EXTRACT, 'sh', file, folder, ...options]
  const { status, stderr } = await runProgram('sh', args, { signal })
  if (status === 0) return
  if (/No space left|Disk quota/.test(stderr)) {
    throw new ProvisionError('disk-full', diskFull('the cache folder'))
  }
  throw new ProvisionError('failed', `${basename(file)} cannot be unpacked: ${stderr.trim()}`)
}

/**
 * Lays out the merged /usr of every current Debian. Packages of Debian 12 still carry files in /lib,
 * newer ones only in /usr/lib; with these links both arrive in one place.
 */
export async function mergeUsr(folder: string): Promise<void> {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    await mkdir(join(folder, 'usr', name), { recursive: true })
    await symlink(join('usr', name), join(folder, name))
  }
}
