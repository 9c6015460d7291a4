/**
 * Writes cpio archives in the "newc" format, which is what the kernel unpacks an initramfs from
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 *
 * Everything belongs to root and has the time 0: equal entries give equal bytes.
 */

/** One file of an archive. Paths are relative, with `/` between names; modes are permissions only. */
export type CpioEntry =
  | {
      readonly kind: 'file'
      readonly path: string
      readonly mode: number
      readonly data: Uint8Array
    }
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | {
      readonly kind: 'char device'
      readonly path: string
      readonly mode: number
      readonly major: number
      readonly minor: number
    }

/** File types as the mode field has them: the S_IFMT values of stat(2). */
const TYPE = { file: 0o100000, directory: 0o040000, symlink: 0o120000, 'char device': 0o020000 }

const TRAILER = 'TRAILER!!!'
/** The kernel ignores an entry whose name or link target is longer, its end included (PATH_MAX). */
const PATH_LIMIT = 4096
const SIZE_LIMIT = 0xffff_ffff

/**
 * Makes one archive of entries. They keep their order, each behind the folders it is in. Folders without an entry get mode
 * 755.
 *
 * @throws RangeError for a path that is absolute, empty, or has `.`, `..` or empty parts; for one that
 *   occurs twice or lies in something that is no folder; and for what the format has no room for.
 */
export function cpio(entries: Iterable<CpioEntry>): Uint8Array {
  const given = new Map<string, CpioEntry>()
  for (const entry of entries) {
    checkPath(entry.path)
    if (given.has(entry.path)) throw new RangeError(`${entry.path} is twice in the archive.`)
    given.set(entry.path, entry)
  }

  const chunks: Uint8Array[] = []
  const written = new Set<string>()
  const write = (path: string): void => {
    if (written.has(path)) return
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')))
    if (parent !== '') {
      if ((given.get(parent)?.kind ?? 'directory') !== 'directory') {
        throw new RangeError(`${path} cannot be in the archive: ${parent} is no directory.`)
      }
      write(parent)
    }
    written.add(path)
    const entry = given.get(path) ?? { kind: 'directory', path, mode: 0o755 }
    chunks.push(...encode(entry, written.size))
  }
  for (const path of given.keys()) write(path)
  chunks.push(...record({ ino: 0, mode: 0, nlink: 1, major: 0, minor: 0 }, TRAILER, NOTHING))
  return concatenate(chunks)
}

/** The fields of a header that differ from one entry to the next. */
interface Header {
  readonly ino: number
  readonly mode: number
  readonly nlink: number
  readonly major: number
  readonly minor: number
}

function encode(entry: CpioEntry, ino: number): Uint8Array[] {
  const permissions = entry.kind === 'symlink' ? 0o777 : entry.mode
  if (!Number.isInteger(permissions) || permissions < 0 || permissions > 0o7777) {
    throw new RangeError(`${entry.path}: ${permissions} is no mode.`)
  }
  const device = entry.kind === 'char device' ? entry : { major: 0, minor: 0 }
  for (const number of [device.major, device.minor]) {
    if (!Number.isInteger(number) || number < 0 || number > SIZE_LIMIT) {
      throw new RangeError(`${entry.path}: ${number} is no device number.`)
    }
  }
  const header = {
    ino,
    mode: TYPE[entry.kind] | permissions,
    // A file with a single link is never taken for another name of an earlier one.
    nlink: entry.kind === 'directory' ? 2 : 1,
    major: device.major,
    minor: device.minor,
  }
  return record(header, entry.path, content(entry))
}

function content(entry: CpioEntry): Uint8Array {
  if (entry.kind === 'file') {
    if (entry.data.length > SIZE_LIMIT) throw new RangeError(`${entry.path} is over 4 GiB.`)
    return entry.data
  }
  if (entry.kind !== 'symlink') return NOTHING
  const target = encoder.encode(entry.target)
  if (target.length === 0 || target.length >= PATH_LIMIT || target.includes(0)) {
    throw new RangeError(`${entry.path} cannot be a link to ${JSON.stringify(entry.target)}.`)
  }
  return target
}

/** A header of 110 bytes, the name with its NUL, the data; each of the latter padded to 4 bytes. */
function record(
  { ino, mode, nlink, major, minor }: Header,
  path: string,
  data: Uint8Array,
): Uint8Array[] {
  const name = encoder.encode(`${path}\0`)
  const fields = {
    ino,
    mode,
    uid: 0,
    gid: 0,
    nlink,
    mtime: 0,
    filesize: data.length,
    devmajor: 0,
    devminor: 0,
    rdevmajor: major,
    rdevminor: minor,
    namesize: name.length,
    check: 0,
  }
  const hex = Object.values(fields)
    .map((field) => field.toString(16).padStart(8, '0'))
    .join('')
  const head = encoder.encode(`070701${hex}`)
  return [head, name, padding(head.length + name.length), data, padding(data.length)]
}

function checkPath(path: string): void {
  const isClean = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  if (!isClean || path.includes('\0') || path === TRAILER) {
    throw new RangeError(`${JSON.stringify(path)} is no path inside an archive.`)
  }
  if (encoder.encode(path).length >= PATH_LIMIT) {
    throw new RangeError(`A path of the archive is over ${PATH_LIMIT} bytes: ${path.slice(0, 60)}…`)
  }
}

function padding(length: number): Uint8Array {
  return ZEROS.subarray(0, -length & 3)
}

function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

const encoder = new TextEncoder()
const NOTHING = new Uint8Array(0)
const ZEROS = new Uint8Array(4)
