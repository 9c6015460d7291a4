import { randomBytes } from 'node:crypto'
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { instead, isSystemError } from '../util/error.ts'
import { processIdentity, processState } from '../util/process-identity.ts'
import { makePrivate } from './cache.ts'

/**
 * The folder for folders that are being filled. Each is made in `<cache>/partial`, on the file system of
 * its final place, and moved to that place by one rename: a folder in its final place is always complete.
 *
 * The name of a folder is the identity of the process that fills it (util/process-identity.ts), and something random. So a
 * later process can remove what a killed one has left behind. Nobody but this user can look into the folder.
 */
const PARTIAL = 'partial'

/** After this many milliseconds a folder counts as left behind if its process is in another pid namespace. */
const STALE = 24 * 60 * 60 * 1000

/** Makes an empty folder for this process to fill, and removes those that dead processes have left behind. */
export async function makePartial(cache: string): Promise<string> {
  const parent = join(cache, PARTIAL)
  await makePrivate(parent)
  await sweepPartial(cache)
  const folder = join(parent, `${processIdentity(process.pid)}.${randomBytes(4).toString('hex')}`)
  // Whatever the umask, nobody else writes into what becomes a part of the cache.
  await mkdir(folder, 0o755)
  return folder
}

/**
 * Moves a filled folder to its place. If `isComplete(target)` says that another process was faster,
 * that process's result stays and this one is removed; anything else in the place is replaced.
 */
export async function commitPartial(
  cache: string,
  folder: string,
  target: string,
  isComplete: (target: string) => Promise<boolean>,
): Promise<void> {
  await mkdir(dirname(target), { recursive: true, mode: 0o755 })
  for (;;) {
    try {
      await rename(folder, target)
      return
    } catch (error) {
      if (!isSystemError(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) throw error
    }
    if (await isComplete(target)) {
      await removeFolder(folder)
      return
    }
    const aside = await makePartial(cache)
    await rename(target, join(aside, 'replaced')).catch(instead(undefined, 'ENOENT'))
    await removeFolder(aside)
  }
}

/** Removes the folders in `<cache>/partial` whose processes have ended. */
export async function sweepPartial(cache: string): Promise<void> {
  const parent = join(cache, PARTIAL)
  const names = await readdir(parent).catch(instead([], 'ENOENT'))
  for (const name of names) {
    if (await isLeftover(parent, name)) await removeFolder(join(parent, name))
  }
}

/** Removes a folder and everything in it, even while a killed command still writes a last file. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

async function isLeftover(parent: string, name: string): Promise<boolean> {
  const state = processState(name.slice(0, name.lastIndexOf('.')))
  if (state !== 'unknown') return state === 'dead'
  // A process of another container or machine that shares this cache, which cannot be looked up from here.
  const stat = await lstat(join(parent, name)).catch(instead(undefined, 'ENOENT'))
  return stat !== undefined && Date.now() - stat.mtimeMs > STALE
}
