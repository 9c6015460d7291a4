import { errno, ErrnoError } from '../../src/sys/errno.ts'

/** As many symlinks on one way as the kernel follows. */
const SYMLINKS_MAX = 40

/** How a wire protocol finds files, one name at a time. A `Found` stands for a file until it is dropped. */
export interface Walker<Found> {
  root(): Promise<Found>
  /** Null where there is no such name. `.` is the directory itself. */
  lookup(directory: Found, name: string): Promise<Found | null>
  isSymlink(found: Found): boolean
  readlink(found: Found): Promise<string>
  drop(found: Found): Promise<void>
}

/** Where a path ends: a name in a directory, and the file that it is, if there is one. */
export interface Place<Found> {
  readonly parent: Found
  readonly name: string
  readonly found: Found | null
}

/** Paths as a kernel resolves them above a file system. */
export class Paths<Found> {
  readonly #walker: Walker<Found>

  constructor(walker: Walker<Found>) {
    this.#walker = walker
  }

  /** Does something with where `path` ends, from the root on. What was found is dropped afterwards. */
  async at<V>(path: string, follow: boolean, act: (place: Place<Found>) => Promise<V>): Promise<V> {
    const walker = this.#walker
    const place = await this.#resolve(await walker.root(), path, follow, 0)
    try {
      return await act(place)
    } finally {
      await walker.drop(place.parent)
      if (place.found !== null) await walker.drop(place.found)
    }
  }

  /** The same for a file that has to exist. */
  existing<V>(path: string, follow: boolean, act: (found: Found) => Promise<V>): Promise<V> {
    return this.at(path, follow, ({ found }) => {
      if (found === null) throw failure('ENOENT')
      return act(found)
    })
  }

  /** Walks `path` from directory `start`, which is dropped or becomes the place's parent. */
  async #resolve(
    start: Found,
    path: string,
    follow: boolean,
    links: number,
  ): Promise<Place<Found>> {
    const walker = this.#walker
    const names = path.split('/').filter((name) => name !== '' && name !== '.')
    let parent: Found | null = start
    try {
      for (let i = 0; ; i++) {
        const isLast = i >= names.length - 1
        const name = names[i] ?? '.'
        const found: Found | null = await walker.lookup(parent, name)
        if (found === null) {
          if (!isLast) throw failure('ENOENT')
          return { parent, name, found }
        }
        if (walker.isSymlink(found) && (follow || !isLast)) {
          const target = await walker.readlink(found)
          await walker.drop(found)
          if (links >= SYMLINKS_MAX) throw failure('ELOOP')
          const rest = [target, ...names.slice(i + 1)].join('/')
          const from: Found = parent
          parent = null
          return await this.#resolve(from, rest, follow, links + 1)
        }
        if (isLast) return { parent, name, found }
        await walker.drop(parent)
        parent = found
      }
    } catch (error) {
      if (parent !== null) await walker.drop(parent)
      throw error
    }
  }
}

export function failure(
  name: 'EBUSY' | 'EEXIST' | 'EINVAL' | 'EISDIR' | 'ELOOP' | 'ENOENT' | 'ENOTDIR' | 'ENOTEMPTY',
): ErrnoError {
  return new ErrnoError(errno[name], 'path')
}
