import { call } from './ffi.ts'
import { discard, ftruncate } from './files.ts'
import { cString } from './memory.ts'

const MFD_CLOEXEC = 1

const memfdCreate = call('int', 'memfd_create', 'pointer', 'uint32')

/** A file of `size` zeroes that lies in memory and has no name: memfd_create(2). */
export function createMemfd(size: number): number {
  const fd = memfdCreate(cString('lowerdir'), MFD_CLOEXEC)
  try {
    ftruncate(fd, size)
    return fd
  } catch (error) {
    discard(fd)
    throw error
  }
}
