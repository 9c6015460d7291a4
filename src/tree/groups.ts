import { ErrnoError, errno } from '../sys/errno.ts'
import type { Locks } from './locks.ts'
import type { Names, Node, OpenFile, Space, Xattrs } from './tree.ts'

/**
 * The optional groups of a node and of an open file. Where a tree lacks a group, the client gets the errno
 * that Linux has for a file system without such an operation (fs/namei.c, fs/xattr.c, fs/locks.c).
 */

/** @throws EPERM where names cannot be changed. */
export function namesOf(node: Node): Names {
  return node.names ?? missing(errno.EPERM, 'change of a name')
}

/** @throws EOPNOTSUPP where files have no extended attributes. */
export function xattrsOf(node: Node): Xattrs {
  return node.xattrs ?? missing(errno.EOPNOTSUPP, 'extended attributes')
}

/** @throws EOPNOTSUPP where files cannot be locked. */
export function locksOf(file: OpenFile): Locks {
  return file.locks ?? missing(errno.EOPNOTSUPP, 'locks')
}

/** @throws EOPNOTSUPP where files have no locks of flock(2). */
export function flocksOf(file: OpenFile): Locks {
  return file.flocks ?? missing(errno.EOPNOTSUPP, 'flock')
}

/** @throws EOPNOTSUPP where a file's space cannot be seen. */
export function spaceOf(file: OpenFile): Space {
  return file.space ?? missing(errno.EOPNOTSUPP, 'space of a file')
}

/** The target of a symlink. @throws EINVAL for a node that is none. */
export function targetOf(node: Node): string {
  return node.readlink === undefined ? missing(errno.EINVAL, 'readlink') : node.readlink()
}

function missing(number: number, operation: string): never {
  throw new ErrnoError(number, operation)
}
