import { readFile, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder } from '../provision/cache.ts'
import { commitPartial, makePartial, removeFolder } from '../provision/partial.ts'

/** How much is kept. */
export interface CacheLimits {
  /** On the disk, in bytes. */
  readonly bytes: number
  /** Since it was last used, in milliseconds. */
  readonly age: number
}

const DAY = 24 * 60 * 60 * 1000

const defaultCacheLimits: CacheLimits = { bytes: 4 * 2 ** 30, age: 14 * DAY }

/** One that was used less than so long ago, in milliseconds, is left alone: a machine may be about to go on from it. */
const GRACE = 10 * 60 * 1000

/** Where they are in the cache: each in a folder that is called like its key. */
const FOLDER = 'snapshots'

/** What a person is told of a snapshot; it is the last time of use as well, by its mtime. */
const ABOUT = 'about.json'

/** What is said of a snapshot where it is made. */
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

/**
 * Snapshots that are kept for the next time. One is in its place when it is whole and not before; several processes may
 * use the cache at once.
 */
export class SnapshotCache {
  readonly #cache: string
  readonly #limits: CacheLimits

  /** @param cache the folder of fetched things, in which it is a part. */
  constructor(cache = cacheFolder(), limits = defaultCacheLimits) {
    this.#cache = cache
    this.#limits = limits
  }

  /** The folder of the snapshot with this key, which is thereby used; undefined where there is none. */
  async find(key: string): Promise<string | undefined> {
    const folder = this.#place(key)
    const now = new Date()
    try {
      await utimes(join(folder, ABOUT), now, now)
      return folder
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  /**
   * Has a snapshot made and keeps it; what has not been used for long makes room. Where another process was faster, its
   * snapshot is the one that is kept.
   *
   * @param make fills the folder, which is empty.
   * @returns the folder where it is from then on.
   */
  async add(
    key: string,
    about: SnapshotAbout,
    make: (folder: string) => Promise<unknown>,
  ): Promise<string> {
    const folder = await makePartial(this.#cache)
    try {
      await make(folder)
      await writeFile(join(folder, ABOUT), JSON.stringify(about))
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
    const keys = await readdir(join(this.#cache, FOLDER)).catch(() => [])
    const found = await Promise.all(keys.map((key) => read(this.#place(key), key)))
    return found
      .filter((each) => each !== undefined)
      .toSorted((a, b) => b.used.getTime() - a.used.getTime())
  }

  /** Removes one. Machines that have gone on from it are none the worse for that. */
  async remove(key: string): Promise<void> {
    // First out of the others' way, as a whole.
    const aside = await makePartial(this.#cache)
    try {
      await rename(this.#place(key), join(aside, 'removed'))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    } finally {
      await removeFolder(aside)
    }
  }

  /** Removes what is too old, and of the rest what was used longest ago as long as there is too much. */
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

/** Undefined where there is none, or one that somebody is removing. */
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
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
