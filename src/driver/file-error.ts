/** What programs of the guest say of an error number (strerror(3) in the C locale), and its name. */
const CODES: readonly (readonly [text: string, code: string])[] = [
  ['No such file or directory', 'ENOENT'],
  ['Permission denied', 'EACCES'],
  ['Operation not permitted', 'EPERM'],
  ['Is a directory', 'EISDIR'],
  ['Not a directory', 'ENOTDIR'],
  ['Directory not empty', 'ENOTEMPTY'],
  ['File exists', 'EEXIST'],
  ['Read-only file system', 'EROFS'],
  ['No space left on device', 'ENOSPC'],
  ['Disk quota exceeded', 'EDQUOT'],
  ['File too large', 'EFBIG'],
  ['File name too long', 'ENAMETOOLONG'],
  ['Too many levels of symbolic links', 'ELOOP'],
  ['Text file busy', 'ETXTBSY'],
  ['Device or resource busy', 'EBUSY'],
  ['No such device or address', 'ENXIO'],
  ['Stale file handle', 'ESTALE'],
  ['Input/output error', 'EIO'],
]

/** A file of a machine, or one that was to be copied to it, could not be read or written. */
export class FileError extends Error {
  override readonly name = 'FileError'
  /** The machine whose file it is or was to be. */
  readonly machine: string
  /** The guest's path, or the host's if that is what failed. */
  readonly path: string
  /** The errno's name, as in Node's own errors, where it is known. */
  readonly code: string | undefined

  /**
   * @param what happened to it: "cannot be read".
   * @param complaint what the program said that failed, or the system.
   */
  constructor(
    { machine, path }: Pick<FileError, 'machine' | 'path'>,
    what: string,
    complaint: string,
    options?: ErrorOptions,
  ) {
    const known = CODES.find(([text]) => complaint.includes(text))
    // Where it names another file, as a directory that could not be made, that is news.
    const words =
      known === undefined || !complaint.includes(`'${path}'`) ? complaint.trim() : known[0]
    const why = known === undefined ? words : `${words} (${known[1]})`
    super(`${machine}: ${path} ${what}: ${why || 'nothing was said about why'}`, options)
    this.machine = machine
    this.path = path
    const cause = options?.cause as NodeJS.ErrnoException | undefined
    this.code = known?.[1] ?? cause?.code
  }
}
