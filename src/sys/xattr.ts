import { call } from './ffi.ts'
import { descriptorPath } from './files.ts'
import { cString, systemMemory } from './system-memory.ts'

/**
 * Extended attributes of a descriptor's file (xattr(7)). O_PATH is enough. The calls follow the link
 * `/proc/self/fd/N` to the descriptor's file and no further: if that is a symlink, they reach the symlink
 * itself.
 */
const native = {
  listxattr: call('long', 'listxattr', 'pointer', 'pointer', 'size'),
  getxattr: call('long', 'getxattr', 'pointer', 'pointer', 'pointer', 'size'),
  setxattr: call('int', 'setxattr', 'pointer', 'pointer', 'pointer', 'size', 'int'),
  removexattr: call('int', 'removexattr', 'pointer', 'pointer'),
}

/** XATTR_SIZE_MAX and XATTR_LIST_MAX of include/uapi/linux/limits.h: the kernel passes on no more. */
const MOST = 65536

const buffer = systemMemory(MOST)

/** listxattr(2): names, each with a NUL behind it. The bytes are valid until the next call. */
export function listxattr(fd: number): Buffer {
  const length = native.listxattr(cString(descriptorPath(fd)), buffer.address, MOST)
  return buffer.bytes.subarray(0, length)
}

/** getxattr(2). The bytes are valid until the next call. */
export function getxattr(fd: number, name: string): Buffer {
  const path = cString(descriptorPath(fd), 0)
  const length = native.getxattr(path, cString(name, 1), buffer.address, MOST)
  return buffer.bytes.subarray(0, length)
}

/** setxattr(2). `value` has at most 65536 bytes. */
export function setxattr(fd: number, name: string, value: Uint8Array, flags: number): void {
  const path = cString(descriptorPath(fd), 0)
  buffer.bytes.set(value)
  native.setxattr(path, cString(name, 1), buffer.address, value.length, flags)
}

/** removexattr(2). */
export function removexattr(fd: number, name: string): void {
  native.removexattr(cString(descriptorPath(fd), 0), cString(name, 1))
}
