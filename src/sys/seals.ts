import { ErrnoError, errno } from './errno.ts'
import { call } from './ffi.ts'

const fcntl = call('int', 'fcntl', 'int', 'int', 'int')

const F_ADD_SEALS = 1033
const F_GET_SEALS = 1034
const F_SEAL_SHRINK = 0x2

/**
 * Makes sure that a file in memory never becomes shorter (F_SEAL_SHRINK of fcntl(2)): sets the seal where it is missing.
 * A process that touches a mapping behind the end of its file is ended by SIGBUS.
 *
 * @returns false where the seal is missing and cannot be set: the file was made without MFD_ALLOW_SEALING, is open for
 *   reading only, or lies in a file system without seals. Only memfd_create(2) makes files that have them.
 */
export function sealLength(fd: number): boolean {
  try {
    if ((fcntl(fd, F_GET_SEALS, 0) & F_SEAL_SHRINK) !== 0) return true
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)
    return true
  } catch (error) {
    if (error instanceof ErrnoError && unsealable.has(error.errno)) return false
    throw error
  }
}

/** EINVAL: a file system without seals. EPERM: no further seals (F_SEAL_SEAL), or a descriptor that cannot write. */
const unsealable: ReadonlySet<number> = new Set([errno.EINVAL, errno.EPERM])
