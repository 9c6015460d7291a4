import { AT_EMPTY_PATH } from './constants.ts'
import { ErrnoError, errno } from './errno.ts'
import { call } from './ffi.ts'
import { emptyString, systemMemory } from './system-memory.ts'

const nameToHandle = call('int', 'name_to_handle_at', 'int', 'pointer', 'pointer', 'pointer', 'int')

/** A handle that identifies a file and need not be opened (Linux 6.5): also overlayfs and FUSE have such handles. */
const AT_HANDLE_FID = 0x200

/** MAX_HANDLE_SZ of include/linux/exportfs.h. */
const HANDLE_BYTES_MAX = 128
/** struct file_handle: handle_bytes[4] handle_type[4] f_handle[handle_bytes] */
const HEADER_BYTES = 8

/**
 * FILEID_INO64_GEN and FILEID_INO64_GEN_PARENT: an inode number of 64 bits and a generation of 32. Linux makes such handles
 * for file systems that have none of their own, and these have no generations; FUSE's servers may have some.
 */
const NUMBERED: ReadonlySet<number> = new Set([0x81, 0x82])
const GENERATION = HEADER_BYTES + 8

const handle = systemMemory(HEADER_BYTES + HANDLE_BYTES_MAX)
const mountId = systemMemory(4)

/** Why there is no handle: the file system has none, or a seccomp filter denies the call. */
const without: ReadonlySet<number> = new Set([
  errno.EOPNOTSUPP,
  errno.EOVERFLOW,
  errno.ENOSYS,
  errno.EPERM,
])

/**
 * What identifies a file within its file system, as a byte string: beside the inode's number also its generation, so no later
 * file has the same (name_to_handle_at(2)). O_PATH is enough.
 *
 * @returns undefined where the file system has no such handles: overlayfs before Linux 6.5, unless it is mounted with
 *   nfs_export=on, and all that have no generations.
 */
export function fileHandle(fd: number): string | undefined {
  try {
    return handleOf(fd, AT_EMPTY_PATH | AT_HANDLE_FID)
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error
    if (without.has(error.errno)) return undefined
    if (error.errno !== errno.EINVAL) throw error
  }
  // A kernel that does not know the flag.
  try {
    return handleOf(fd, AT_EMPTY_PATH)
  } catch (error) {
    if (error instanceof ErrnoError && without.has(error.errno)) return undefined
    throw error
  }
}

function handleOf(fd: number, flags: number): string | undefined {
  handle.view.setUint32(0, HANDLE_BYTES_MAX, true)
  nameToHandle(fd, emptyString(), handle.address, mountId.address, flags)
  const type = handle.view.getInt32(4, true)
  if (NUMBERED.has(type) && handle.view.getUint32(GENERATION, true) === 0) return undefined
  const length = handle.view.getUint32(0, true)
  // With the type, which says how the bytes are to be read.
  return handle.bytes.toString('latin1', 4, HEADER_BYTES + Math.min(length, HANDLE_BYTES_MAX))
}
