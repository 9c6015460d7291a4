import { randomBytes } from 'node:crypto'
import { lstat, mkdir, readdir, readFile, readlink, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { instead, isSystemError } from '../util/error.ts'

/**
 * The folder for folders that are being filled. Each is made in `<cache>/partial`, on the file system of
 * its final place, and moved to that place by one rename: a folder in its final place is always complete.
 *
 * A folder's name tells which process fills it, `<boot>.<pid namespace>.<pid>.<start time>.<random>`, so
 * that a later process can remove what a killed one has left behind.
 */
const PARTIAL = 'partial'

/** After this many milliseconds a folder counts as left behind if its process is in another pid namespace. */
const STALE = 24 * 60 * 60 * 1000

/** Makes an empty folder for this process to fill, and removes those that dead processes have left behind. */
export async function makePartial(cache: string): Promise<string> {
  const parent = join(cache, PARTIAL)
  await mkdir(parent, { recursive: true })
  await sweepPartial(cache)
  const folder = join(parent, `${await owner(process.pid)}.${randomBytes(4).toString('hex')}`)
  await mkdir(folder)
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
  await mkdir(dirname(target), { recursive: true })
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
  const [boot, namespace, pid, start] = name.split('.')
  const here = await context()
  if (`${boot}.${namespace}` === here) {
    return (await owner(Number(pid))) !== `${boot}.${namespace}.${pid}.${start}`
  }
  // A process of another container or machine that shares this cache, which cannot be looked up from here.
  const stat = await lstat(join(parent, name)).catch(instead(undefined, 'ENOENT'))
  return stat !== undefined && Date.now() - stat.mtimeMs > STALE
}

/** Names a process uniquely while the machine is up; a pid alone is used again. */
async function owner(pid: number): Promise<string> {
  return `${await context()}.${pid}.${await startTime(pid)}`
}

/** Names the boot and the pid namespace in which pids of this process are valid. */
async function context(): Promise<string> {
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).slice(0, 8)
  const namespace = /\d+/.exec(await readlink('/proc/self/ns/pid'))?.[0] ?? '0'
  return `${boot}.${namespace}`
}

/** When a process started, in clock ticks since boot; 0 if there is none. */
async function startTime(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(instead('', 'ENOENT', 'ESRCH'))
  // The second field is the program's name in parentheses, which may itself hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[19] ?? 0)
}
