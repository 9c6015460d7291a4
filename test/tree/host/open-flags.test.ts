import { constants } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { errno } from '../../../src/sys/errno.ts'
import { open } from '../../../src/9p/wire/flags.ts'
import { Births } from '../../../src/tree/host/births.ts'
import { Descriptors } from '../../../src/tree/host/descriptors.ts'
import { FileBudget } from '../../../src/tree/host/file-budget.ts'
import { InodeNumbers } from '../../../src/tree/host/identity.ts'
import { LockTable } from '../../../src/tree/host/host-locks.ts'
import { hostFlags, mayUseNoatime } from '../../../src/tree/host/open-flags.ts'
import { ownersOf } from '../../../src/tree/host/owners.ts'
import type { HostContext } from '../../../src/tree/host/policy.ts'
import { laterOnEventLoop } from '../../../src/tree/later.ts'

const O_CLOEXEC = 0o2000000

function context(changes: Partial<HostContext & HostContext['credentials']> = {}): HostContext {
  const { uid = 1000, fowner = false, atime = 'guest' } = changes
  const credentials = {
    uid,
    gid: uid,
    umask: 0,
    fowner,
    fsetid: false,
    chown: false,
    readsAll: false,
  }
  const descriptors = new Descriptors(16, laterOnEventLoop)
  return {
    readOnly: false,
    acls: false,
    owners: ownersOf('host'),
    atime,
    credentials,
    descriptors,
    files: new FileBudget(1),
    inodes: new InodeNumbers(1),
    births: new Births(Date.now),
    self: -1,
    locks: new LockTable(descriptors, -1, false, laterOnEventLoop),
    flocks: new LockTable(descriptors, -1, false, laterOnEventLoop),
    later: () => () => {},
    coldReads: undefined,
  }
}

function translated(wire: number): number {
  return hostFlags(wire, context(), false)
}

describe('the open flags of the wire', () => {
  const { O_RDONLY, O_WRONLY, O_RDWR, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK } = constants
  const { O_DSYNC, O_SYNC, O_DIRECTORY, O_NOFOLLOW } = constants

  const table: Record<keyof typeof open, number> = {
    RDONLY: O_RDONLY,
    WRONLY: O_WRONLY,
    RDWR: O_RDWR,
    ACCMODE: Number.NaN,
    EXCL: O_EXCL,
    TRUNC: O_TRUNC,
    APPEND: O_APPEND,
    NONBLOCK: O_NONBLOCK,
    DSYNC: O_DSYNC,
    DIRECTORY: O_DIRECTORY,
    NOFOLLOW: O_NOFOLLOW,
    SYNC: O_SYNC,
    // Dropped.
    CREAT: 0,
    NOCTTY: 0,
    FASYNC: 0,
    DIRECT: 0,
    LARGEFILE: 0,
    NOATIME: 0,
    CLOEXEC: 0,
  }
  const single = (Object.keys(open) as (keyof typeof open)[]).filter((name) => name !== 'ACCMODE')

  it.each(single)('%s becomes the host’s own value', (name) => {
    expect(translated(open[name])).toBe(table[name] | O_CLOEXEC)
  })

  it('add up', () => {
    expect(translated(open.WRONLY | open.TRUNC | open.APPEND | open.LARGEFILE | open.DIRECT)).toBe(
      O_WRONLY | O_TRUNC | O_APPEND | O_CLOEXEC,
    )
    // O_DSYNC alone is not O_SYNC.
    expect(translated(open.DSYNC) & O_SYNC & ~O_DSYNC).toBe(0)
  })

  it('append on the host only where the client cannot read back what it caches', () => {
    expect(translated(open.RDWR | open.APPEND)).toBe(O_RDWR | O_CLOEXEC)
    expect(translated(open.WRONLY | open.APPEND)).toBe(O_WRONLY | O_APPEND | O_CLOEXEC)
  })

  it('that have no generic meaning are dropped, O_PATH and O_TMPFILE among them', () => {
    const known = Object.values<number>(open).reduce((all, flag) => all | flag, 0)
    expect(translated(~known >>> 0)).toBe(O_CLOEXEC)
    expect(translated(0o10000000)).toBe(O_CLOEXEC)
    expect(translated(0o20200000) & 0o20000000).toBe(0)
  })

  it('with access mode 3 are EINVAL', () => {
    for (const flags of [3, 3 | open.TRUNC, 0xffff_ffff]) {
      expect(() => translated(flags)).toThrow(expect.objectContaining({ errno: errno.EINVAL }))
    }
  })
})

describe('O_NOATIME', () => {
  const { O_NOATIME } = constants

  it('is granted to the owner and to CAP_FOWNER only', () => {
    expect(mayUseNoatime(1000, context({ uid: 1000 }))).toBe(true)
    expect(mayUseNoatime(0, context({ uid: 1000 }))).toBe(false)
    expect(mayUseNoatime(1000, context({ uid: 0 }))).toBe(false)
    expect(mayUseNoatime(1000, context({ uid: 0, fowner: true }))).toBe(true)
    expect(mayUseNoatime(0, context({ uid: 1000, fowner: true }))).toBe(true)
  })

  // Whether the policy is to preserve, the guest asks, the kernel would grant it: is it used?
  it.each([
    ['preserve', false, true, true],
    ['preserve', true, true, true],
    ['preserve', false, false, false],
    ['preserve', true, false, false],
    ['guest', false, true, false],
    ['guest', true, true, true],
    ['guest', false, false, false],
    ['guest', true, false, false],
  ] as const)('%s, asked for: %s, granted: %s → %s', (atime, asked, granted, used) => {
    const flags = hostFlags(asked ? open.NOATIME : 0, context({ atime }), granted)
    expect((flags & O_NOATIME) !== 0).toBe(used)
  })
})
