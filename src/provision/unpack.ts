import { mkdir, rm, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { runCommand } from './command.ts'
import { ProvisionError, diskFull } from './failure.ts'
import type { OnProgress } from './progress.ts'

/** What to unpack and how to report it. */
export interface UnpackOptions {
  readonly detail: string
  readonly onProgress: OnProgress
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads the files out of a package and lays them into a folder. Not `dpkg-deb --extract`, because
 * that puts a folder where we have a link to one, gives files to the users that own them in an
 * installed system, and would leave set-user-id programs about that nobody updates.
 */
const EXTRACT =
  'dpkg-deb --fsys-tarfile "$1" | tar --extract --directory "$2" --keep-directory-symlink ' +
  '--no-same-owner --no-same-permissions --exclude ./usr/share/doc --exclude ./usr/share/man ' +
  '--exclude ./usr/share/locale'

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
    // tar's status decides: if dpkg-deb fails, tar finds no whole archive.
    const args = ['-c', EXTRACT, 'sh', file, folder]
    const { status, stderr } = await runCommand('sh', args, { signal })
    if (status !== 0) {
      if (/No space left|Disk quota/.test(stderr)) {
        throw new ProvisionError('disk-full', diskFull('the cache folder'))
      }
      throw new ProvisionError('failed', `${basename(file)} cannot be unpacked: ${stderr.trim()}`)
    }
    await rm(file)
  }
  onProgress({ phase: 'unpack', detail, done: files.length, total: files.length })
}

/**
 * Lays out the merged /usr of every current Debian. Packages of Debian 12 still carry files in /lib,
 * newer ones only in /usr/lib; with these links both arrive in one place.
 */
async function mergeUsr(folder: string): Promise<void> {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    await mkdir(join(folder, 'usr', name), { recursive: true })
    await symlink(join('usr', name), join(folder, name))
  }
}
