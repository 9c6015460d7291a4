import { randomBytes } from 'node:crypto'
import { lstat, mkdir, readdir, readFile, readlink, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * Folders that are being filled. Each is made in `<cache>/partial`, on the same file system as where
 * it will live, and moved there by one rename: a folder in its place is always complete.
 *
 * A name says who fills the folder, `<boot>.<pid namespace>.<pid>.<start time>.<random>`, so that a
 * later process can tell what a killed one has left behind.
 */
const PARTIAL = 'partial'

/** After this many milliseconds a folder of a process that we cannot ask about is a leftover. */
const STALE = 24 * 60 * 60 * 1000

/** Makes an empty folder for this process to fill, after removing what dead ones left. */
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
 * its result stands and ours is dropped; anything else in the place is replaced.
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
      const code = (error as NodeJS.ErrnoException).code
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOTDIR') throw error
    }
    if (await isComplete(target)) {
      await removeFolder(folder)
      return
    }
    const aside = await makePartial(cache)
    await rename(target, join(aside, 'replaced')).catch(ignoreMissing)
    await removeFolder(aside)
  }
}

/** Removes what processes that are no more have left in `<cache>/partial`. */
export async function sweepPartial(cache: string): Promise<void> {
  const parent = join(cache, PARTIAL)
  const names = await readdir(parent).catch(() => [])
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
  // Another container or machine shares this cache, or did: its processes are not ours to see.
  const stat = await lstat(join(parent, name)).catch(() => undefined)
  return stat !== undefined && Date.now() - stat.mtimeMs > STALE
}

/** Names a process for as long as the machine is up: a pid alone is used again. */
async function owner(pid: number): Promise<string> {
  return `${await context()}.${pid}.${await startTime(pid)}`
}

/** Names the boot and the pid namespace that this process's pids are meant in. */
async function context(): Promise<string> {
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).slice(0, 8)
  const namespace = /\d+/.exec(await readlink('/proc/self/ns/pid'))?.[0] ?? '0'
  return `${boot}.${namespace}`
}

/** When a process started, in clock ticks since boot; 0 if there is none. */
async function startTime(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The second field is the program's name in parentheses, which may itself hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[19] ?? 0)
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
