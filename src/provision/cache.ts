import { statSync } from 'node:fs'
import { chmod, lstat, mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { isSystemError } from '../util/error.ts'
import { ProvisionError } from './provision-error.ts'

/** Permissions of all users but the owner, and the right to write of those who are not in the group either. */
const OTHERS = 0o077
const ALL_WRITE = 0o002

/**
 * The folder that keeps what was fetched: `$LOWERDIR_CACHE`, else `$XDG_CACHE_HOME/lowerdir`,
 * else `~/.cache/lowerdir`. It may not exist yet.
 *
 *     qemu/<version>/      an unpacked QEMU with all libraries it needs
 *     busybox/<version>/   a static busybox
 *     kernels/<release>/   a guest kernel and its modules
 *     roots/<suite>-<key>/ an installed Debian system with systemd, and its manifest
 *     tesseract/<version>/ an unpacked tesseract, with English
 *     snapshots/<key>/     a machine's memory, which this user alone may read
 *     partial/             folders that are being filled
 *
 * @throws ProvisionError where other users can put programs into it.
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const folder = placeOf(env)
  checkOwner(folder)
  return folder
}

/**
 * Makes a folder of the cache that only this user may enter, with the folders above it. One that is there is closed to all
 * others, where it is this user's.
 *
 * @throws ProvisionError where something else has its name; Node's error of mkdir(2).
 */
export async function makePrivate(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await closeToOthers(folder)
}

/** As {@link makePrivate}, and does nothing where there is no such folder. */
export async function closeToOthers(folder: string): Promise<void> {
  const stats = await lstat(folder).catch((error: unknown) => {
    if (!isSystemError(error, 'ENOENT')) throw error
  })
  if (stats === undefined) return
  if (!stats.isDirectory()) {
    throw new ProvisionError(
      'unusable',
      `${folder} is no folder, or a symbolic link. Remove it: what belongs there must stay in the cache.`,
    )
  }
  if (stats.uid === process.getuid?.() && (stats.mode & OTHERS) !== 0) await chmod(folder, 0o700)
}

function placeOf(env: NodeJS.ProcessEnv): string {
  const own = env['LOWERDIR_CACHE']
  if (own) return own
  // The XDG base directory specification says that a relative path is to be ignored.
  const xdg = env['XDG_CACHE_HOME']
  if (xdg && isAbsolute(xdg)) return join(xdg, 'lowerdir')
  return join(env['HOME'] || homedir(), '.cache', 'lowerdir')
}

/** Programs from the cache run with all rights of this user. So nobody else but root may have put them there. */
function checkOwner(folder: string): void {
  let stats
  try {
    stats = statSync(folder)
  } catch (error) {
    // There is none yet, or it cannot be reached: what is done with it will say so.
    if (isSystemError(error)) return
    throw error
  }
  const own = process.getuid?.()
  if (stats.uid !== own && stats.uid !== 0) {
    throw new ProvisionError(
      'unusable',
      `The cache ${folder} belongs to another user (uid ${stats.uid}), whose programs would run with your rights. ` +
        'Set LOWERDIR_CACHE to a folder of your own.',
    )
  }
  // A group is often a user's own (umask 002), so it may write.
  if ((stats.mode & ALL_WRITE) !== 0) {
    throw new ProvisionError(
      'unusable',
      `All users can write to the cache ${folder}, and their programs would run with your rights. ` +
        `Close it with \`chmod o-w ${folder}\`, or set LOWERDIR_CACHE to another folder.`,
    )
  }
}
