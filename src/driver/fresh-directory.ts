import { futimesSync } from 'node:fs'
import { linkat, symlinkat, unlinkat } from '../sys/files.ts'
import { isSystemError } from '../util/error.ts'
import { toText } from '../util/text.ts'
import { ArchiveError, type ArchiveEntry, PATH_BYTES } from './archive-reader.ts'
import { type HostDirectory, fillFile } from './host-directory.ts'

/** How deep directories may be nested. A copy that is moved or removed takes two descriptors for each level. */
const DEPTH = 256

/** Permission bits alone: a set-user-ID bit never comes out of a guest. */
const PERMISSIONS = 0o777

/** What the host's user may do with every directory, so that he can remove the copy. */
const OWNER = 0o700

/** Times outside of these, in seconds, are not set: years from 1970 to 2446, which ext4 can keep. */
const LATEST = 2 ** 34 - 1

/**
 * A new directory that entries of a guest's archive are written into. Each name is reached from the directory's descriptor,
 * one step at a time and never through a symlink. So nothing is made outside of it, whatever the names are.
 *
 * The user of this process owns the files, and the umask applies to their modes.
 */
export class FreshDirectory implements Disposable {
  readonly #root: HostDirectory
  /** The longest path that may be made in it, in bytes. */
  readonly #room: number
  /** The directory of the last entry: most entries follow one of the same directory. */
  #last: { readonly path: string; readonly directory: HostDirectory } | undefined
  #mode = OWNER

  /**
   * @param root a directory that only this process writes to. It stays the caller's.
   * @param room the longest path in it, in bytes: with the copy's own path it must not be longer than Linux allows.
   */
  constructor(root: HostDirectory, room: number) {
    this.#root = root
    this.#room = room
  }

  /** The mode of the directory itself, for when it is complete. */
  get mode(): number {
    return this.#mode
  }

  /** @throws ArchiveError for a name that leads out, or is too long; ErrnoError, and Node's errors, where the host refuses. */
  async add(entry: ArchiveEntry): Promise<void> {
    const steps = stepsOf(entry.path, this.#room)
    const name = steps.pop()
    const mode = entry.mode & PERMISSIONS
    if (name === undefined) {
      if (entry.type === 'directory') this.#mode = mode | OWNER
      return
    }
    const directory = this.#directory(steps)
    const { fd } = directory
    if (entry.type === 'directory') directory.make(name, mode | OWNER)[Symbol.dispose]()
    else if (entry.type === 'file') await this.#write(directory, name, mode, entry)
    else if (entry.type === 'symlink')
      this.#replace(fd, name, () => symlinkat(entry.target, fd, name))
    else if (entry.type === 'hard link') this.#link(fd, name, entry.target)
  }

  [Symbol.dispose](): void {
    this.#last?.directory[Symbol.dispose]()
    this.#last = undefined
  }

  async #write(
    directory: HostDirectory,
    name: string,
    mode: number,
    entry: ArchiveEntry,
  ): Promise<void> {
    const fd = this.#replace(directory.fd, name, () => directory.create(name, mode))
    await fillFile(fd, entry.content, () => {
      if (entry.mtime <= LATEST) futimesSync(fd, entry.mtime, entry.mtime)
    })
  }

  #link(directory: number, name: string, target: string): void {
    const steps = stepsOf(target, this.#room)
    const other = steps.pop()
    if (other === undefined) throw new ArchiveError('the guest has sent a hard link to a directory')
    using from = this.#walk(steps)
    this.#replace(directory, name, () => linkat(from.fd, other, directory, name, 0))
  }

  /** Makes a file. A guest's file that was renamed meanwhile may come twice, and then the second one is kept. */
  #replace<T>(directory: number, name: string, make: () => T): T {
    try {
      return make()
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error
    }
    unlinkat(directory, name, 0)
    return make()
  }

  /** The directory of an entry, which stays open until the next one is asked for. */
  #directory(steps: readonly string[]): HostDirectory {
    const path = steps.join('/')
    if (this.#last?.path === path) return this.#last.directory
    const directory = this.#walk(steps)
    this[Symbol.dispose]()
    this.#last = { path, directory }
    return directory
  }

  /** Opens a directory, and makes what is missing of it. */
  #walk(steps: readonly string[]): HostDirectory {
    let at = this.#root.open('.')
    for (const step of steps) {
      using before = at
      at = before.find(step) ?? before.make(step, PERMISSIONS)
    }
    return at
  }
}

/** The names of a path. @throws ArchiveError where it leads out, or is too long. */
function stepsOf(path: string, room: number): string[] {
  const steps = path.split('/').filter((step) => step !== '' && step !== '.')
  const fault = steps.includes('..')
    ? 'which leads out of the copy'
    : path.length > room
      ? `for which the host has no room: its paths have at most ${PATH_BYTES} bytes`
      : steps.length > DEPTH
        ? `which has more than ${DEPTH} directories one in another`
        : undefined
  if (fault === undefined) return steps
  const begin = toText(path.slice(0, 100))
  throw new ArchiveError(`the guest has sent the name ${JSON.stringify(begin)}, ${fault}`)
}
