import { mkdir, rm, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { runProgram } from '../util/program.ts'
import { ProvisionError, diskFull } from './provision-error.ts'
import type { OnProgress } from './progress.ts'

/** What to unpack and how to report it. */
export interface UnpackOptions {
  readonly detail: string
  readonly onProgress: OnProgress
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads the files out of a package and lays them into a folder. Not `dpkg-deb --extract`, because
 * that puts a folder where we have a link to one.
 */
const EXTRACT =
  'file=$1; folder=$2; shift 2; ' +
  'dpkg-deb --fsys-tarfile "$file" | tar --extract --directory "$folder" --keep-directory-symlink "$@"'

/** Whoever unpacks owns the files, and no set-user-id programs are about that nobody updates. */
const AS_OURS = ['--no-same-owner', '--no-same-permissions']

const WITHOUT_MANUALS = ['doc', 'man', 'locale'].flatMap((name) => [
  '--exclude',
  `./usr/share/${name}`,
])

/**
 * Unpacks packages into one folder, as if it were the root of a system, without running any of
 * their scripts and without their manuals, and deletes each .deb once it is unpacked.
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
 * Lays one package's files into a folder that may hold others' already.
 *
 * @param options for tar: whose the files will be, and which are left out.
 */
export async function extractPackage(
  file: string,
  folder: string,
  options: readonly string[],
  { signal }: { readonly signal: AbortSignal | undefined },
): Promise<void> {
  // tar's status decides: if dpkg-deb fails, tar finds no whole archive.
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
