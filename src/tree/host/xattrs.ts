import { existsSync } from 'node:fs'
import { ErrnoError, errno } from '../../sys/errno.ts'
import { getxattr, listxattr, removexattr, setxattr } from '../../sys/xattr.ts'

/**
 * Extended attributes of the host's files. The guest gets the namespaces that mean the same on every file
 * system (xattr(7)), where the host allows it. Other namespaces control one file system (btrfs, ceph, …), and
 * a guest must not reach them.
 *
 * The list leaves out the names of ACLs; a client can still ask for them (HostPolicy.acls). Linux's client gives ACLs to
 * programs only if it is mounted with `posixacl`. And a guest's overlayfs before Linux 6.2 cannot copy a file
 * up if the list has a name that it cannot read (ovl_copy_xattr: ENODATA).
 */
const listed = /^(?:user|trusted|security)\./

/** The POSIX ACLs of a file (acl(5)). */
export const acls = /^system\.posix_acl_(?:access|default)$/

/**
 * The attributes that have a meaning to a kernel, and that only its root may change: file capabilities, labels, whiteouts of
 * an overlayfs.
 */
export const privileged = /^(?:trusted|security)\./

/** Whether the file system keeps ACLs. @param fd O_PATH is enough. */
export function keepsAcls(fd: number): boolean {
  try {
    getxattr(fd, 'system.posix_acl_access')
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error
    if (error.errno === errno.EOPNOTSUPP) return false
    if (error.errno !== errno.ENODATA) throw error
  }
  return true
}

/** The names, each with a NUL behind it. @param fd here and below: O_PATH is enough. */
export function listXattrs(fd: number): Uint8Array {
  return shownNames(listxattr(fd))
}

/** The names of listxattr(2) that a guest may see. */
export function shownNames(list: Buffer): Buffer {
  const names = list.toString('latin1').split('\0')
  const shown = names.filter((name) => listed.test(name)).map((name) => `${name}\0`)
  return Buffer.from(shown.join(''), 'latin1')
}

/**
 * A file's SELinux label. On a host without SELinux hardly any file has one, and then the answer is that
 * labels are not supported. Otherwise a guest's `ls -l` would ask for the label of each file, with a walk and
 * a clunk (coreutils, src/ls.c), and this would be the most expensive part of that `ls`.
 */
const LABEL = 'security.selinux'

const hasSelinux = existsSync('/sys/fs/selinux')

/** @param stored here and below: the attribute's name on the host, where that is another one. */
export function getXattr(fd: number, name: string, stored = name): Uint8Array {
  checkPassed(name)
  try {
    return Buffer.from(getxattr(fd, stored))
  } catch (error) {
    const isMissing = error instanceof ErrnoError && error.errno === errno.ENODATA
    if (!isMissing || name !== LABEL || hasSelinux) throw error
    throw new ErrnoError(errno.EOPNOTSUPP, 'getxattr')
  }
}

export function setXattr(
  fd: number,
  name: string,
  value: Uint8Array,
  flags: number,
  stored = name,
): void {
  checkPassed(name)
  setxattr(fd, stored, value, flags)
}

export function removeXattr(fd: number, name: string, stored = name): void {
  checkPassed(name)
  removexattr(fd, stored)
}

function checkPassed(name: string): void {
  if (!listed.test(name) && !acls.test(name)) throw new ErrnoError(errno.EOPNOTSUPP, 'xattr')
}
