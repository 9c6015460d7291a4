import { ErrnoError, errno } from '../../sys/errno.ts'
import { getxattr, setxattr } from '../../sys/xattr.ts'
import { modes } from '../flags.ts'

/**
 * A file's attributes for the guest, kept in the file's extended attributes in the format of QEMU's
 * `security_model=mapped-xattr` (hw/9pfs/9p-local.c), in little endian. Each of them may be missing.
 */
export interface StoredAttributes {
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Type and permissions. */
  readonly mode?: number | undefined
  /** In the kernel's encoding, see sys/files.ts. */
  readonly rdev?: number | undefined
}

/** Our xattrs have names that begin with this. A guest sees none of them. */
export const PREFIX = 'user.virtfs.'

const bytes = { uid: 4, gid: 4, mode: 4, rdev: 8 } as const
const none: ReadonlySet<number> = new Set([errno.ENODATA, errno.EOPNOTSUPP])
const names = ['uid', 'gid', 'mode', 'rdev'] as const

/** @param fd here and below: O_PATH is enough. */
export function readStored(fd: number): StoredAttributes {
  return {
    uid: readOne(fd, 'uid'),
    gid: readOne(fd, 'gid'),
    mode: readOne(fd, 'mode'),
    rdev: readOne(fd, 'rdev'),
  }
}

export function readStoredMode(fd: number): number | undefined {
  return readOne(fd, 'mode')
}

/**
 * Stores the attributes that are given, and leaves the others as they are. @throws EOPNOTSUPP, EPERM, ENOSPC,
 * EDQUOT, …
 */
export function store(fd: number, attributes: StoredAttributes): void {
  for (const name of names) {
    const value = attributes[name]
    if (value === undefined) continue
    const buffer = Buffer.alloc(bytes[name])
    buffer.writeUInt32LE(value)
    setxattr(fd, PREFIX + name, buffer, 0)
  }
}

/** Whether the file system can store these xattrs. */
export function isStorable(fd: number): boolean {
  try {
    getxattr(fd, `${PREFIX}uid`)
  } catch (error) {
    if (!(error instanceof ErrnoError) || !none.has(error.errno)) throw error
    return error.errno === errno.ENODATA
  }
  return true
}

/**
 * The mode that a guest sees.
 *
 * @param host the mode on the host. A directory is a directory for both; a regular file of the host may have
 *   another type for the guest.
 */
export function modeOf(host: number, stored: number | undefined): number {
  if (stored === undefined) return host
  const type = host & modes.TYPE
  const guest = stored & modes.TYPE
  const may = type === modes.FILE && pretended.has(guest)
  return (may ? guest : type) | (stored & modes.PERMISSIONS)
}

const pretended: ReadonlySet<number> = new Set([
  modes.SOCKET,
  modes.SYMLINK,
  modes.BLOCK,
  modes.CHAR,
  modes.FIFO,
])

function readOne(fd: number, name: keyof typeof bytes): number | undefined {
  let value: Buffer
  try {
    value = getxattr(fd, PREFIX + name)
  } catch (error) {
    if (error instanceof ErrnoError && none.has(error.errno)) return undefined
    throw error
  }
  // A value of another length is not of our format. The upper half of rdev is empty.
  return value.length === bytes[name] ? value.readUInt32LE(0) : undefined
}
