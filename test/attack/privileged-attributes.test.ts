import { chmodSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { flags } from '../../src/9p/index.ts'
import { errno } from '../../src/sys/errno.ts'
import { discard } from '../../src/sys/files.ts'
import { listxattr, setxattr } from '../../src/sys/xattr.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import type { Ownership } from '../../src/tree/host/owners.ts'
import type { Xattrs } from '../../src/tree/tree.ts'
import { xattrsOf } from '../../src/tree/groups.ts'
import { errnoOf } from '../support/errors.ts'
import { HostProbe } from '../support/host-probe.ts'
import { asOrdinaryUser, built } from '../support/ordinary-user.ts'
import { afterwards, needsRoot, temporaryDirectory } from '../support/temporary.ts'

/**
 * A guest that gives a host's file attributes which have an effect there: capabilities, labels, whiteouts. Where the guest's
 * root is not the host's, they must not get there, also if the server runs as root.
 */
const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')
const attributes: readonly (readonly [string, Buffer])[] = [
  ['security.capability', capability],
  ['security.selinux', Buffer.from('u:r:t:s0')],
  ['trusted.overlay.opaque', Buffer.from('y')],
]

let directory: string
let file: string

beforeEach(() => {
  directory = temporaryDirectory()
  file = join(directory, 'f')
  writeFileSync(file, 'text')
})

/** The attributes of the file as a guest has them. */
function guest(owner: Ownership): Xattrs {
  const tree = new HostTree(directory, { readOnly: false, owner, atime: 'preserve' })
  const root = tree.attach('').node
  const node = root.lookup('f', null)
  afterwards(() => {
    node.release()
    root.release()
    tree.close()
  })
  return xattrsOf(node)
}

function opened(): number {
  const fd = openSync(file, 'r')
  afterwards(() => discard(fd))
  return fd
}

/** Those that the file has on the host, but not those for ACLs of the directory above or the like. */
function onHost(): string[] {
  return names(listxattr(opened())).filter((name) => !name.startsWith('system.'))
}

function names(list: Uint8Array): string[] {
  return Buffer.from(list).toString('latin1').split('\0').slice(0, -1).toSorted()
}

describe('privileged attributes with mapped-xattr', () => {
  it('are kept under names of ours, and have no effect on the host', () => {
    needsRoot('could set real ones')
    const xattrs = guest('mapped-xattr')
    for (const [name, value] of attributes) {
      xattrs.setXattr(name, value, 0)
      expect(Buffer.from(xattrs.getXattr(name))).toEqual(value)
    }
    expect(onHost()).toEqual(attributes.map(([name]) => `user.virtfs.${name}`))
    expect(names(xattrs.listXattrs())).toEqual(attributes.map(([name]) => name))
    for (const [name] of attributes) xattrs.removeXattr(name)
    expect([onHost(), names(xattrs.listXattrs())]).toEqual([[], []])
    expect(errnoOf(() => xattrs.getXattr('security.capability'))).toBe(errno.ENODATA)
  })

  it('that are the host’s own can be neither seen nor changed', () => {
    needsRoot('sets real ones')
    for (const [name, value] of attributes) setxattr(opened(), name, value, 0)
    const before = onHost()
    const xattrs = guest('mapped-xattr')
    expect(names(xattrs.listXattrs())).toEqual([])
    for (const [name] of attributes) {
      expect(errnoOf(() => xattrs.getXattr(name))).not.toBe(0)
      expect(errnoOf(() => xattrs.removeXattr(name))).toBe(errno.ENODATA)
    }
    expect(onHost()).toEqual(before)
  })

  it('of other namespaces are still refused', () => {
    const xattrs = guest('mapped-xattr')
    for (const name of ['btrfs.compression', 'system.nfs4_acl', 'security', 'trustedx.y']) {
      expect(errnoOf(() => xattrs.setXattr(name, capability, 0))).toBe(errno.EOPNOTSUPP)
    }
  })

  it('work for an ordinary user’s server', () => {
    chmodSync(directory, 0o777)
    chmodSync(file, 0o666)
    const found = asOrdinaryUser(
      `const { HostTree } = await import(values.tree)
       const policy = { readOnly: false, owner: 'mapped-xattr', atime: 'preserve' }
       const root = new HostTree(values.directory, policy).attach('').node
       const { node, file } = root.create('own', 2, 0o755, { uid: 0, gid: 0 }, null)
       node.setXattr('security.capability', Buffer.from(values.capability, 'hex'), 0)
       console.log(JSON.stringify(Buffer.from(node.getXattr('security.capability')).toString('hex')))`,
      {
        directory,
        tree: built('tree/host/host-tree.js'),
        capability: capability.toString('hex'),
      },
    )
    expect(found).toBe(capability.toString('hex'))
  })

  it('go with a write of another user, and at a chown', () => {
    const xattrs = guest('mapped-xattr')
    const probe = new HostProbe(directory, { owner: 'mapped-xattr' })
    probe.attach(700, 1000)
    probe.call('walk', { fid: 700, newfid: 701, names: ['f'] })
    probe.call('lopen', { fid: 701, flags: flags.open.WRONLY })
    const changes = [
      () => probe.write(701, 0, 'x'),
      () => probe.setattr(probe.fid('f'), flags.setattr.UID, { uid: 5 }),
    ]
    for (const change of changes) {
      xattrs.setXattr('security.capability', capability, 0)
      change()
      expect(errnoOf(() => xattrs.getXattr('security.capability'))).toBe(errno.ENODATA)
    }
  })
})

describe('privileged attributes with ranges of owners', () => {
  it('are EPERM, as in a user namespace', () => {
    needsRoot('could set real ones')
    const xattrs = guest([{ guest: 0, host: 100_000, count: 65_536 }])
    setxattr(opened(), 'security.selinux', Buffer.from('u:r:t:s0'), 0)
    const before = onHost()
    for (const [name, value] of attributes) {
      expect(errnoOf(() => xattrs.setXattr(name, value, 0))).toBe(errno.EPERM)
      expect(errnoOf(() => xattrs.removeXattr(name))).toBe(errno.EPERM)
    }
    expect(onHost()).toEqual(before)
    xattrs.setXattr('user.x', capability, 0)
    expect(onHost()).toContain('user.x')
  })
})
