import { randomBytes } from 'node:crypto'
import { constants, fchmodSync, mkdirSync, openSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { threadCredentials } from '../sys/process.ts'
import { type SystemError, isSystemError } from '../util/error.ts'
import { fromText, toText } from '../util/text.ts'
import { PATH_BYTES, readArchive } from './archive-reader.ts'
import { FreshDirectory } from './fresh-directory.ts'
import { HostDirectory, fillFile } from './host-directory.ts'

/** How many names of special files are kept for the record. */
const NAMED = 5

/** A part of a copy could not be written to the host. */
class CopyError extends Error implements SystemError {
  override readonly name = 'CopyError'
  readonly code: string
  readonly errno: number

  /** @param path in the copy, a byte string. */
  constructor(path: string, cause: SystemError) {
    super(`${JSON.stringify(toText(path))} of the copy: ${cause.message}`, { cause })
    this.code = cause.code
    this.errno = cause.errno
  }
}

/** What a guest's directory has that a copy leaves out: devices and FIFOs. */
export interface LeftOut {
  readonly count: number
  /** The paths of the first few, as byte strings. */
  readonly some: readonly string[]
}

/**
 * A copy of a guest's file or directory, on its way to a directory of the host. It is made in a private directory there, and
 * moved to its place when it is complete: until then nothing of the host's has changed.
 *
 * A guest chooses the bytes and the names of the copy, and what an earlier copy has left in the place, such as symlinks. So
 * everything is reached from descriptors, and no symlink below the directory is followed.
 */
export class HostCopy implements AsyncDisposable {
  /** Where it will be. */
  readonly path: string
  readonly #name: string
  readonly #directory: HostDirectory
  readonly #private: HostDirectory
  readonly #privateName: string
  /** What is written, and from where. */
  #work: { readonly source: Readable; readonly done: Promise<unknown> } | undefined

  /**
   * @param directory is made where there is none. Symlinks in this path are followed.
   * @param name the copy's name in it: one that a file can have.
   * @throws Node's error of mkdir(2) or open(2), ErrnoError.
   */
  constructor(directory: string, name: string) {
    this.path = join(resolve(directory), name)
    this.#name = fromText(name)
    mkdirSync(resolve(directory), { recursive: true })
    const { O_DIRECTORY, O_RDONLY } = constants
    this.#directory = new HostDirectory(openSync(resolve(directory), O_RDONLY | O_DIRECTORY))
    this.#privateName = `.lowerdir-${randomBytes(8).toString('hex')}`
    try {
      this.#private = this.#directory.makeNew(this.#privateName)
    } catch (error) {
      this.#directory[Symbol.dispose]()
      throw error
    }
  }

  /** Writes a file. @param mode its permission bits, whatever the umask. */
  write(content: Readable, mode: number): Promise<void> {
    const fd = this.#private.create(this.#name, 0o600)
    // A set-user-ID bit never comes out of a guest.
    return this.#from(
      content,
      fillFile(fd, content, () => fchmodSync(fd, mode & 0o777)),
    )
  }

  /**
   * Writes a directory.
   *
   * @throws SystemError where the host refuses; ArchiveError for an archive that is none, and CutOffError for one that ends early.
   */
  unpack(archive: Readable): Promise<LeftOut> {
    return this.#from(archive, this.#unpack(archive))
  }

  async #unpack(archive: Readable): Promise<LeftOut> {
    using root = this.#private.make(this.#name, 0o700)
    const room = PATH_BYTES - Buffer.byteLength(this.path) - 1
    using fresh = new FreshDirectory(root, room)
    const some: string[] = []
    let count = 0
    for await (const entry of readArchive(archive)) {
      if (entry.type === 'special') {
        count += 1
        if (some.length < NAMED) some.push(entry.path)
        continue
      }
      try {
        await fresh.add(entry)
      } catch (error) {
        if (isSystemError(error)) throw new CopyError(entry.path, error)
        throw error
      }
    }
    fchmodSync(root.fd, fresh.mode & ~threadCredentials().umask)
    return { count, some }
  }

  #from<T>(source: Readable, result: Promise<T>): Promise<T> {
    const done = result.catch(() => {})
    this.#work = { source, done }
    return result
  }

  /** Moves the complete copy to its place. @throws ErrnoError EISDIR where a directory is in the place of a file. */
  finish(): void {
    this.#private.move(this.#name, this.#directory)
  }

  /**
   * Removes what was not moved to its place. A guest may have been given up while its bytes are still written: that ends
   * first, since the descriptors are closed here, and their numbers are soon those of other files.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#work?.source.destroy()
    await this.#work?.done
    this.#private[Symbol.dispose]()
    this.#directory.remove(this.#privateName)
    this.#directory[Symbol.dispose]()
  }
}
