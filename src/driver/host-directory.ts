import { readdirSync } from 'node:fs'
import {
  AT_REMOVEDIR,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_WRONLY,
} from '../sys/constants.ts'
import {
  close,
  descriptorPath,
  discard,
  mkdirat,
  openat,
  renameat,
  unlinkat,
} from '../sys/files.ts'
import { isSystemError } from '../util/error.ts'
import { SparseWriter } from '../util/sparse-file.ts'

/**
 * A directory of the host that a copy from a guest meets. It is a descriptor, and all names in it are byte strings relative to
 * that: a symlink is never followed, also not one that takes a directory's place between two calls.
 */
export class HostDirectory implements Disposable {
  readonly fd: number

  /** @param fd a descriptor that can be read from; this object closes it. */
  constructor(fd: number) {
    this.fd = fd
  }

  /** @throws ErrnoError ENOTDIR or ELOOP where the name is no directory, ENOENT where there is none. */
  open(name: string): HostDirectory {
    return new HostDirectory(openat(this.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
  }

  /** The directory of that name; undefined where there is none, or something else. */
  find(name: string): HostDirectory | undefined {
    try {
      return this.open(name)
    } catch (error) {
      if (isSystemError(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined
      throw error
    }
  }

  /**
   * Makes a directory, unless there is one, and opens it.
   *
   * @throws ErrnoError ENOTDIR where something else has the name.
   */
  make(name: string, mode: number): HostDirectory {
    try {
      mkdirat(this.fd, name, mode)
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error
    }
    return this.open(name)
  }

  /** Makes a directory that is this user's alone. @throws ErrnoError EEXIST. */
  makeNew(name: string): HostDirectory {
    mkdirat(this.fd, name, 0o700)
    return this.open(name)
  }

  /** Makes a file, and opens it for writing, whatever the mode is. @throws ErrnoError EEXIST. */
  create(name: string, mode: number): number {
    return openat(this.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
  }

  /** Removes a file, or a directory with everything in it. Does nothing where there is none. */
  remove(name: string): void {
    using directory = this.find(name)
    for (const inside of directory?.names() ?? []) directory?.remove(inside)
    this.#unlink(name, directory === undefined ? 0 : AT_REMOVEDIR)
  }

  /**
   * Moves what is called `name` here into the directory `to`. A directory joins one of its name that is there: the other files
   * of that one stay, and so do its permissions. Everything else replaces what has its name, except for a directory.
   *
   * @throws ErrnoError EISDIR where a directory is in the place of something else.
   */
  move(name: string, to: HostDirectory): void {
    using directory = this.find(name)
    using there = directory && to.find(name)
    if (directory === undefined) {
      renameat(this.fd, name, to.fd, name)
    } else if (there !== undefined) {
      for (const inside of directory.names()) directory.move(inside, there)
    } else {
      // rename(2) does not put a directory in the place of anything else.
      to.#unlink(name, 0)
      renameat(this.fd, name, to.fd, name)
    }
  }

  /** The names in it, as byte strings. */
  names(): string[] {
    return readdirSync(descriptorPath(this.fd), 'latin1')
  }

  #unlink(name: string, flags: number): void {
    try {
      unlinkat(this.fd, name, flags)
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    }
  }

  [Symbol.dispose](): void {
    discard(this.fd)
  }
}

/**
 * Writes the content of a new file, in which blocks of zeros become holes, and closes it in any case.
 *
 * @param last is done before the file is closed.
 * @throws Node's error of write(2), or ErrnoError of close(2).
 */
export async function fillFile(
  fd: number,
  content: AsyncIterable<Buffer>,
  last: () => void,
): Promise<void> {
  let isWritten = false
  try {
    const writer = new SparseWriter(fd)
    for await (const piece of content) await writer.write(piece)
    await writer.end()
    last()
    isWritten = true
  } finally {
    if (!isWritten) discard(fd)
  }
  close(fd)
}
