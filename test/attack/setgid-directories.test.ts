import { beforeEach, describe, expect, it } from 'vitest'
import type { FuseSession } from '../../src/fuse/session.ts'
import { modes } from '../../src/tree/flags.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { FuseProbe } from '../support/fuse/fuse-probe.ts'

/** The group of a directory with the setgid bit, in which everybody may make files. */
const GROUP = 50

/** The minor versions of Linux 5.15 and 6.1. */
const OLD = 34
const NEW = 37

let tree: FakeTree

beforeEach(() => {
  tree = new FakeTree()
  tree.root.getattr = (attributes: FuseSession['attributes']) => {
    attributes.mode = modes.DIRECTORY | modes.SETGID | 0o777
    attributes.gid = GROUP
  }
})

/** The mode of what a user of the guest makes there. */
function made(minor: number, mode: number, uid: number, gid: number): number {
  const probe = new FuseProbe(tree, { init: { minor } })
  probe.call('mknod', { name: 'x', mode: modes.FILE | mode }, { uid, gid })
  probe.session.close()
  const call = tree.calls.find((each) => each.startsWith('mknod x '))
  return Number(call?.split(' ')[2]) & modes.PERMISSIONS
}

describe('a user who makes a program in a directory of another group', () => {
  it('gets no setgid bit for it, where the kernel leaves that to the server (CVE-2018-13405)', () => {
    expect(made(OLD, 0o2755, 1000, 1000)).toBe(0o755)
  })

  it.each([
    ['the kernel has decided about it', NEW, 0o2755, 1000, 1000],
    ['it is root', OLD, 0o2755, 0, 0],
    ['the group is the user’s', OLD, 0o2755, 1000, GROUP],
    ['the group may not execute it', OLD, 0o2745, 1000, 1000],
  ])('keeps the bits where %s', (_where, minor, mode, uid, gid) => {
    expect(made(minor, mode, uid, gid)).toBe(mode)
  })
})
