import { chmodSync, chownSync, existsSync, lstatSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../../src/sys/errno.ts'
import { flags } from '../../../src/9p/index.ts'
import { type IdRange, type Ownership, ownersOf } from '../../../src/tree/host/owners.ts'
import { HostProbe } from '../../support/host-probe.ts'
import { needsRoot, temporaryDirectory } from '../../support/temporary.ts'

const { open, setattr } = flags
const UNCHANGED = 0xffff_ffff

const ranges: readonly IdRange[] = [
  { guest: 0, host: 100_000, count: 1000 },
  { guest: 5000, host: 7, count: 1 },
]

describe('ranges of ids', () => {
  it('map both ways, each end included', () => {
    const owners = ownersOf(ranges)
    for (const [guest, host] of [
      [0, 100_000],
      [999, 100_999],
      [5000, 7],
    ] as const) {
      const toGuest = [owners.uid(host), owners.gid(host)]
      const toHost = [owners.toHostUid(guest), owners.toHostGid(guest)]
      expect([...toGuest, ...toHost]).toEqual([guest, guest, host, host])
    }
  })

  it('show other ids of the host as the user nobody, and refuse other ids of the guest', () => {
    const owners = ownersOf(ranges)
    for (const host of [0, 6, 8, 99_999, 101_000, 0xffff_fffe]) expect(owners.uid(host)).toBe(65534)
    for (const guest of [1000, 4999, 5001, 65534, 0xffff_fffe]) {
      const refused = expect.objectContaining({ errno: errno.EINVAL })
      expect(() => owners.toHostUid(guest)).toThrow(refused)
      expect(() => owners.toHostGid(guest)).toThrow(refused)
    }
    expect(owners.toHostUid(UNCHANGED)).toBe(UNCHANGED)
    expect(owners.toHostGid(UNCHANGED)).toBe(UNCHANGED)
  })
})

describe('a translation of ids', () => {
  const same = { toHost: [], toGuest: [] }

  it('is made in each direction and for users and groups apart, and leaves other ids alone', () => {
    const users = {
      toHost: [{ from: 0, count: 10, to: 1000 }],
      toGuest: [{ from: 7, count: 3, to: 70, isSquashed: true }],
    }
    const owners = ownersOf({ users, groups: same, others: 'same' })
    expect([0, 9, 10].map((id) => owners.toHostUid(id))).toEqual([1000, 1009, 10])
    expect([6, 7, 9, 10, 1000].map((id) => owners.uid(id))).toEqual([6, 70, 70, 10, 1000])
    expect([0, 9, 10].map((id) => owners.toHostGid(id))).toEqual([0, 9, 10])
    expect([7, 1000].map((id) => owners.gid(id))).toEqual([7, 1000])
  })

  it('squashes all ids of a guest without changing what is not to be changed', () => {
    const toHost = [{ from: 0, count: 0xffff_ffff, to: 1001, isSquashed: true }]
    const owners = ownersOf({ users: { toHost, toGuest: [] }, groups: same, others: 'same' })
    expect([0, 1, 0xffff_fffe, UNCHANGED].map((id) => owners.toHostUid(id))).toEqual([
      1001,
      1001,
      1001,
      UNCHANGED,
    ])
  })

  it('refuses ids that are forbidden', () => {
    const users = { toHost: [{ from: 5, count: 2, to: null }], toGuest: [] }
    const owners = ownersOf({ users, groups: same, others: 'same' })
    expect([4, 7].map((id) => owners.toHostUid(id))).toEqual([4, 7])
    for (const guest of [5, 6]) {
      expect(() => owners.toHostUid(guest)).toThrow(expect.objectContaining({ errno: errno.EPERM }))
    }
  })

  it.each([
    [[], 'same', false],
    [[{ from: 0, count: 1, to: 0 }], 'same', false],
    [[{ from: 1, count: 9, to: 100 }], 'same', false],
    [[{ from: 0, count: 1, to: 1000 }], 'same', true],
    [[{ from: 0, count: 1, to: null }], 'same', true],
    [[{ from: 0, count: 9, to: 0 }], 'none', true],
  ] as const)('%j for users, others: %s: root is another user: %s', (toHost, others, isMapped) => {
    const owners = ownersOf({ users: { toHost, toGuest: [] }, groups: same, others })
    expect(owners.isMapped).toBe(isMapped)
  })
})

let directory: string

beforeEach(() => {
  directory = temporaryDirectory()
})

function path(name: string): string {
  return join(directory, name)
}

function probe(owner: Ownership): HostProbe {
  return new HostProbe(directory, { owner })
}

describe('an export with ranges', () => {
  it('creates for the guest’s users, and gives to them', () => {
    needsRoot('gives files away')
    const client = probe(ranges)
    client.attach(500, 5)
    client.call('mkdir', { dfid: 500, name: 'd', mode: 0o755, gid: 6 })
    client.call('symlink', { dfid: 500, name: 'l', symtgt: 't', gid: 6 })
    client.call('lcreate', { fid: 500, name: 'f', flags: 2, mode: 0o644, gid: 6 })
    for (const name of ['d', 'l', 'f']) {
      expect(lstatSync(path(name))).toMatchObject({ uid: 100_005, gid: 100_006 })
      expect(client.stat(name)).toMatchObject({ uid: 5, gid: 6 })
    }
    const fid = client.fid('f')
    client.setattr(fid, setattr.UID, { uid: 5000, gid: 0 })
    expect(statSync(path('f'))).toMatchObject({ uid: 7, gid: 100_006 })
    expect(client.stat('f')).toMatchObject({ uid: 5000, gid: 6 })
  })

  it('creates and changes nothing for a user outside of the ranges', () => {
    needsRoot('gives files away')
    writeFileSync(path('old'), '')
    const client = probe(ranges)
    client.attach(500, 4000)
    const made = { dfid: 500, gid: 0 }
    expect(client.errnoOf('mkdir', { ...made, name: 'd', mode: 0o755 })).toBe(errno.EINVAL)
    expect(client.errnoOf('symlink', { ...made, name: 'l', symtgt: 't' })).toBe(errno.EINVAL)
    const create = { fid: 500, name: 'f', flags: 2, mode: 0o644, gid: 0 }
    expect(client.errnoOf('lcreate', create)).toBe(errno.EINVAL)
    expect(['d', 'l', 'f'].filter((name) => existsSync(path(name)))).toEqual([])
    const old = client.fid('old')
    expect(() => client.setattr(old, setattr.UID, { uid: 4000 })).toThrow(
      expect.objectContaining({ errno: errno.EINVAL }),
    )
    expect(client.stat('old')).toMatchObject({ uid: 65534, gid: 65534 })
  })
})

describe('setuid and setgid bits', () => {
  const bits = (name: string): number => statSync(path(name)).mode & 0o7777

  /** A program of root's, open for a user of the guest's. */
  function program(client: HostProbe, mode: number, uid: number, how: number): number {
    writeFileSync(path('program'), 'text')
    chownSync(path('program'), 1000, 1000)
    chmodSync(path('program'), mode)
    client.attach(800, uid)
    client.call('walk', { fid: 800, newfid: 801, names: ['program'] })
    client.call('clunk', { fid: 800 })
    client.call('lopen', { fid: 801, flags: how })
    return 801
  }

  it.each([
    [0o6777, 0o777],
    [0o4755, 0o755],
    [0o2755, 0o755],
    // Mandatory locking, no privilege.
    [0o2644, 0o2644],
  ])('of %o are %o after a write by a user who is not root', (before, after) => {
    needsRoot('has a server that could write without clearing them')
    const client = probe('host')
    const fid = program(client, before, 1000, open.WRONLY)
    expect(bits('program')).toBe(before)
    client.write(fid, 0, '')
    expect(bits('program')).toBe(before)
    client.write(fid, 0, 'T')
    expect(bits('program')).toBe(after)
  })

  it('are cleared by each write: they may have been set again', () => {
    needsRoot('has a server that could write without clearing them')
    const client = probe('host')
    const fid = program(client, 0o755, 1000, open.RDWR)
    client.write(fid, 0, 'T')
    client.setattr(client.fid('program'), setattr.MODE, { mode: 0o4755 })
    client.write(fid, 0, 't')
    expect(bits('program')).toBe(0o755)
  })

  it('are cleared by a truncation, and by opening with O_TRUNC', () => {
    needsRoot('has a server that could write without clearing them')
    const client = probe('host')
    const fid = program(client, 0o4755, 1000, open.RDONLY)
    client.setattr(fid, setattr.SIZE, { size: 1 })
    expect(bits('program')).toBe(0o755)
    client.call('clunk', { fid })
    const again = program(client, 0o6755, 1000, open.WRONLY | open.TRUNC)
    expect(bits('program')).toBe(0o755)
    client.call('clunk', { fid: again })
  })

  it('are cleared by a change of owner', () => {
    needsRoot('gives files away')
    const client = probe('host')
    const fid = program(client, 0o6755, 0, open.RDONLY)
    client.setattr(fid, setattr.UID, { uid: 5 })
    expect(bits('program')).toBe(0o755)
  })

  it('stay when root writes, as on any Linux', () => {
    needsRoot('may keep them')
    const client = probe('host')
    const fid = program(client, 0o6755, 0, open.WRONLY)
    client.write(fid, 0, 'T')
    client.setattr(fid, setattr.SIZE, { size: 2 })
    expect(bits('program')).toBe(0o6755)
  })
})
