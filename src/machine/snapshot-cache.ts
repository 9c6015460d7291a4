import { readFile, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, closeToOthers, makePrivate } from '../provision/cache.ts'
import { commitPartial, makePartial, removeFolder } from '../provision/partial.ts'
import { instead, isSystemError } from '../util/error.ts'

/** How much is kept. */
export interface CacheLimits {
  /** On the disk, in bytes. */
  readonly bytes: number
  /** Since it was last used, in milliseconds. */
  readonly age: number
}

const DAY = 24 * 60 * 60 * 1000

const defaultCacheLimits: CacheLimits = { bytes: 4 * 2 ** 30, age: 14 * DAY }

/** A snapshot that was used within this time, in milliseconds, is kept: a machine may be about to go on from it. */
const GRACE = 10 * 60 * 1000

/** The folder of the cache that has them: each snapshot is a folder, and its name is the snapshot's key. */
const FOLDER = 'snapshots'

/** The file with a {@link SnapshotAbout}. Its mtime is the last time of use. */
const ABOUT = 'about.json'

/** What a person is told of a snapshot. */
export interface SnapshotAbout {
  /** The host name. */
  readonly name: string
  readonly root: string
  /** What was done with it. */
  readonly doing: string
}

/** A snapshot of the cache. */
export interface CachedSnapshot extends SnapshotAbout {
  readonly key: string
  readonly folder: string
  readonly bytes: number
  readonly made: Date
  readonly used: Date
}

/** Snapshots on disk, kept for later runs. A snapshot gets its place when it is complete. Several processes may use the cache at once. */
export class SnapshotCache {
  readonly #cache: string
  readonly #limits: CacheLimits

  /** @param cache the folder of all that lowerdir fetches; snapshots have a folder in it. */
  constructor(cache = cacheFolder(), limits = defaultCacheLimits) {
    this.#cache = cache
    this.#limits = limits
  }

  /** The folder of the snapshot with this key, which counts as a use; undefined where there is none. */
  async find(key: string): Promise<string | undefined> {
    const folder = this.#place(key)
    // An earlier version let other users look into it.
    await closeToOthers(join(this.#cache, FOLDER))
    const now = new Date()
    try {
      await utimes(join(folder, ABOUT), now, now)
      return folder
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return undefined
      throw error
    }
  }

  /**
   * Makes a snapshot and keeps it, then removes what is over the limits. Where another process was faster, that process's
   * snapshot is kept.
   *
   * @param make fills an empty folder.
   * @returns the snapshot's folder.
   */
  async add(
    key: string,
    about: SnapshotAbout,
    make: (folder: string) => Promise<unknown>,
  ): Promise<string> {
    const folder = await makePartial(this.#cache)
    try {
      await make(folder)
      await writeFile(join(folder, ABOUT), JSON.stringify(about), { mode: 0o600 })
      await makePrivate(join(this.#cache, FOLDER))
      await commitPartial(this.#cache, folder, this.#place(key), async (place) => {
        return (await read(place, key)) !== undefined
      })
    } catch (error) {
      await removeFolder(folder)
      throw error
    }
    await this.cleanUp()
    return this.#place(key)
  }

  /** All of them, the last used first. */
  async list(): Promise<readonly CachedSnapshot[]> {
    const keys = await readdir(join(this.#cache, FOLDER)).catch(instead([], 'ENOENT'))
    const found = await Promise.all(keys.map((key) => read(this.#place(key), key)))
    return found
      .filter((each) => each !== undefined)
      .toSorted((a, b) => b.used.getTime() - a.used.getTime())
  }

  /** Removes one. Machines that have gone on from it keep running. */
  async remove(key: string): Promise<void> {
    // Renamed first: no other process then sees half of it.
    const aside = await makePartial(this.#cache)
    try {
      await rename(this.#place(key), join(aside, 'removed'))
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    } finally {
      await removeFolder(aside)
    }
  }

  /** Removes snapshots over the age limit, and then the least recently used until the rest fits. */
  async cleanUp(): Promise<void> {
    const now = Date.now()
    let bytes = 0
    for (const snapshot of await this.list()) {
      const idle = now - snapshot.used.getTime()
      bytes += snapshot.bytes
      const isTooMuch = bytes > this.#limits.bytes || idle > this.#limits.age
      if (!isTooMuch || idle < GRACE) continue
      bytes -= snapshot.bytes
      await this.remove(snapshot.key)
    }
  }

  #place(key: string): string {
    return join(this.#cache, FOLDER, key)
  }
}

/** Undefined where there is none, or where another process removes it at this moment. */
async function read(folder: string, key: string): Promise<CachedSnapshot | undefined> {
  try {
    const about = join(folder, ABOUT)
    const { mtime, birthtime } = await stat(about)
    const text = await readFile(about, 'utf8')
    const names = await readdir(folder)
    const sizes = await Promise.all(
      names.map(async (name) => (await stat(join(folder, name))).blocks),
    )
    return {
      ...(JSON.parse(text) as SnapshotAbout),
      key,
      folder,
      bytes: sizes.reduce((sum, blocks) => sum + blocks * 512, 0),
      made: birthtime,
      used: mtime,
    }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  }
}
