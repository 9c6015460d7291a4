import { call } from './ffi.ts'
import { discard, ftruncate } from './files.ts'
import { cString } from './system-memory.ts'

const MFD_CLOEXEC = 1
const MFD_ALLOW_SEALING = 2
const MFD_HUGETLB = 4

const memfdCreate = call('int', 'memfd_create', 'pointer', 'uint32')

/**
 * A file of `size` zeroes that lies in memory and has no name: memfd_create(2).
 *
 * @param pages `huge` for the kernel's huge pages of its default size; `size` is a multiple of that then.
 * @param seals `none` for a file that can never be sealed, see seals.ts.
 */
export function createMemfd(
  size: number,
  pages: 'usual' | 'huge' = 'usual',
  seals: 'allowed' | 'none' = 'allowed',
): number {
  const flags =
    MFD_CLOEXEC |
    (pages === 'huge' ? MFD_HUGETLB : 0) |
    (seals === 'allowed' ? MFD_ALLOW_SEALING : 0)
  const fd = memfdCreate(cString('lowerdir'), flags)
  try {
    ftruncate(fd, size)
    return fd
  } catch (error) {
    discard(fd)
    throw error
  }
}
