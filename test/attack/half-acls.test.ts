import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, openSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { discard } from '../../src/sys/files.ts'
import { getxattr, setxattr } from '../../src/sys/xattr.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import type { HostPolicy } from '../../src/tree/host/policy.ts'
import { xattrsOf } from '../../src/tree/groups.ts'
import type { Xattrs } from '../../src/tree/tree.ts'
import { errnoOf } from '../support/errors.ts'
import { afterwards, needsRoot, temporaryDirectory } from '../support/temporary.ts'

/**
 * ACLs that nobody asked for. A guest that does not mount with `posixacl` does not check permissions by them, and their mask
 * stands where the group's bits are: a file that has one looks as if its group had more rights.
 */
const names = ['system.posix_acl_access', 'system.posix_acl_default']
/** u::rw- u:1000:r-- g::--- m::r-- o::--- */
const acl = Buffer.from(
  '0200000001000600ffffffff02000400e803000004000000ffffffff10000400ffffffff20000000ffffffff',
  'hex',
)

let directory: string
let place: string

beforeEach(() => {
  directory = temporaryDirectory()
  place = join(directory, 'd')
  mkdirSync(place)
  chmodSync(place, 0o700)
})

/** The attributes of the directory `d` as a guest has them. */
function guest(policy: Partial<HostPolicy>): Xattrs {
  const tree = new HostTree(directory, {
    readOnly: false,
    owner: 'host',
    atime: 'preserve',
    ...policy,
  })
  const root = tree.attach('').node
  const node = root.lookup('d', null)
  afterwards(() => {
    node.release()
    root.release()
    tree.close()
  })
  return xattrsOf(node)
}

function onHost(): number {
  const fd = openSync(place, 'r')
  afterwards(() => discard(fd))
  return fd
}

describe('ACLs', () => {
  it.each<Partial<HostPolicy>>([
    {},
    { owner: 'mapped-xattr' },
    { acls: true, owner: { uid: 0, gid: 0 } },
    { acls: true, owner: [{ guest: 0, host: 0, count: 65_536 }] },
  ])('are EOPNOTSUPP in every way, and change nothing: %j', (policy) => {
    setxattr(onHost(), 'user.x', Buffer.from('x'), 0)
    const xattrs = guest(policy)
    for (const name of names) {
      expect(errnoOf(() => xattrs.setXattr(name, acl, 0))).toBe(errno.EOPNOTSUPP)
      expect(errnoOf(() => xattrs.getXattr(name))).toBe(errno.EOPNOTSUPP)
      expect(errnoOf(() => xattrs.removeXattr(name))).toBe(errno.EOPNOTSUPP)
    }
    expect(statSync(place).mode & 0o777).toBe(0o700)
    expect(Buffer.from(xattrs.listXattrs()).toString()).not.toContain('acl')
  })

  it('are the host’s own where they are asked for', () => {
    const xattrs = guest({ acls: true })
    for (const name of names) {
      expect(errnoOf(() => xattrs.getXattr(name))).toBe(errno.ENODATA)
      xattrs.setXattr(name, acl, 0)
      expect(Buffer.from(xattrs.getXattr(name))).toEqual(acl)
      expect(Buffer.from(getxattr(onHost(), name))).toEqual(acl)
    }
    xattrs.removeXattr(names[0]!)
    expect(errnoOf(() => getxattr(onHost(), names[0]!))).toBe(errno.ENODATA)
  })

  it('are stored with mapped-xattr, and have no effect on the host', () => {
    const xattrs = guest({ acls: true, owner: 'mapped-xattr' })
    xattrs.setXattr(names[0]!, acl, 0)
    expect(Buffer.from(xattrs.getXattr(names[0]!))).toEqual(acl)
    expect(errnoOf(() => getxattr(onHost(), names[0]!))).toBe(errno.ENODATA)
  })

  it('cannot be asked for where the host keeps none', () => {
    needsRoot('mounts a ramfs')
    execFileSync('mount', ['-t', 'ramfs', 'lowerdir-test', place])
    afterwards(() => execFileSync('umount', ['--lazy', place]))
    writeFileSync(join(place, 'f'), '')
    const policy = { readOnly: false, owner: 'host', atime: 'preserve', acls: true } as const
    const found = errnoOf(() => new HostTree(place, policy))
    expect(found).toBe(errno.EOPNOTSUPP)
  })
})
