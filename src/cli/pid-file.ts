import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { isSystemError } from '../util/error.ts'
import { explain } from './user-error.ts'

const NEW = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW

/** A file with the number of this process, until it is disposed of. */
export class PidFile implements Disposable {
  readonly #path: string
  /** As long as it is open, no other file has its inode number. */
  #fd: number | undefined

  constructor(path: string) {
    this.#path = path
  }

  /**
   * Makes it. It replaces a file of this user's that an earlier process has left behind, and nothing else: other users may
   * make files in the folder too, such as in /tmp.
   *
   * @throws UserError when there is a file of another kind or user, and when none can be made.
   */
  write(): void {
    try {
      this.#fd = create(this.#path)
      writeSync(this.#fd, `${process.pid}\n`)
    } catch (error) {
      throw explain(`The file ${this.#path} cannot be made`, error)
    }
  }

  /** Removes the file, unless another one is in its place. */
  [Symbol.dispose](): void {
    const fd = this.#fd
    if (fd === undefined) return
    this.#fd = undefined
    const own = fstatSync(fd, { bigint: true })
    const there = lstatSync(this.#path, { bigint: true, throwIfNoEntry: false })
    if (there?.ino === own.ino && there.dev === own.dev) unlinkSync(this.#path)
    closeSync(fd)
  }
}

function create(path: string): number {
  try {
    return openSync(path, NEW, 0o600)
  } catch (error) {
    if (!isSystemError(error, 'EEXIST') || !isOwn(path)) throw error
    unlinkSync(path)
    return openSync(path, NEW, 0o600)
  }
}

function isOwn(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat?.isFile() === true && stat.uid === process.getuid?.()
}
