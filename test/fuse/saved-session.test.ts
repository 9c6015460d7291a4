import { mkdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SavedFuseSession } from '../../src/fuse/saved-session.ts'
import { LK_FLOCK, lock } from '../../src/fuse/wire/flags.ts'
import { errno } from '../../src/sys/errno.ts'
import { openFlags } from '../../src/tree/flags.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import { FuseProbe, type ProbeOptions } from '../support/fuse/fuse-probe.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const whole = { start: 0n, end: 0x7fff_ffff_ffff_ffffn }

let folder: string
const trees: HostTree[] = []
const probes: FuseProbe[] = []

beforeEach(() => {
  folder = temporaryDirectory()
  mkdirSync(join(folder, 'a/b'), { recursive: true })
  for (const name of ['f', 'a/g', 'a/b/h', 'gone']) writeFileSync(join(folder, name), `in ${name}`)
})

afterEach(() => {
  for (const { session } of probes.splice(0)) session.close()
  for (const tree of trees.splice(0)) tree.close()
})

/** A session on a tree of its own, as in a process of its own. */
function serve(options: ProbeOptions = {}): FuseProbe {
  const tree = new HostTree(folder, { readOnly: false, owner: 'host', atime: 'preserve' })
  trees.push(tree)
  const probe = new FuseProbe(tree, options)
  probes.push(probe)
  return probe
}

/** Another session that goes on from what this one has saved. */
function restored(probe: FuseProbe): FuseProbe {
  const saved = JSON.stringify(probe.session.save())
  const other = serve({ init: null })
  other.session.load(JSON.parse(saved))
  return other
}

describe('a session that goes on elsewhere', () => {
  it('knows the same nodes by the same numbers, and gives out others', () => {
    const probe = serve()
    const ids = ['f', 'a', 'a/g', 'a/b/h'].map((path) => probe.node(path))
    probe.lookup('f')
    const other = restored(probe)
    expect(['f', 'a', 'a/g', 'a/b/h'].map((path) => other.node(path))).toEqual(ids)
    expect(other.node('gone')).toBeGreaterThan(Math.max(...ids, probe.node('a/b')))
    // Two lookups before, one behind.
    other.tell('forget', { count: 2 }, ids[0])
    expect(other.errnoOf('getattr', {}, { nodeid: ids[0]! })).toBe(0)
    other.tell('forget', { count: 1 }, ids[0])
    expect(other.errnoOf('getattr', {}, { nodeid: ids[0]! })).toBe(errno.ESTALE)
  })

  it('has the same files open', () => {
    const probe = serve()
    const nodeid = probe.node('a/b/h')
    const fh = probe.open(nodeid, openFlags.RDWR | openFlags.TRUNC)
    const directory = probe.call('opendir', {}, { nodeid: 1 }).fh
    writeFileSync(join(folder, 'a/b/h'), 'written since')
    const other = restored(probe)
    // It is not truncated again.
    expect(other.read(fh, 0, 100, nodeid)).toBe('written since')
    expect(other.errnoOf('readdir', { fh: directory, size: 4096 })).toBe(0)
    const another = other.open(other.node('f'))
    expect(another).toBeGreaterThan(Math.max(fh, directory))
  })

  it('holds the same locks', () => {
    const probe = serve()
    const nodeid = probe.node('f')
    const fh = probe.open(nodeid, openFlags.RDWR)
    probe.call(
      'setlk',
      { fh, owner: 7n, start: 5n, end: 9n, type: lock.WRLCK, pid: 77 },
      { nodeid },
    )
    probe.call('setlk', { fh, owner: 9n, ...whole, type: lock.WRLCK, flags: LK_FLOCK }, { nodeid })
    const saved = JSON.stringify(probe.session.save())
    probe.session.close()
    const other = serve({ init: null })
    other.session.load(JSON.parse(saved))
    const asked = { fh, owner: 8n, ...whole, type: lock.WRLCK }
    expect(other.call('getlk', asked, { nodeid })).toMatchObject({ start: 5n, end: 9n, pid: 77 })
    expect(other.errnoOf('setlk', { ...asked, flags: LK_FLOCK }, { nodeid })).toBe(errno.EAGAIN)
    // The owner is the same.
    other.call('setlk', { ...asked, owner: 7n, type: lock.UNLCK }, { nodeid })
    expect(other.call('getlk', asked, { nodeid }).type).toBe(lock.UNLCK)
  })

  it('says ESTALE for files that have gone, changed or been replaced, and serves the others', () => {
    const probe = serve()
    const [gone, changed, replaced, kept] = ['gone', 'f', 'a/g', 'a/b/h'].map((path) =>
      probe.node(path),
    )
    const fh = probe.open(gone!)
    const saved = JSON.stringify(probe.session.save())
    unlinkSync(join(folder, 'gone'))
    writeFileSync(join(folder, 'f'), 'something longer')
    rmSync(join(folder, 'a/g'))
    writeFileSync(join(folder, 'a/g'), 'in a/g')
    const other = serve({ init: null })
    other.session.load(JSON.parse(saved))
    const errnos = [gone, changed, replaced, kept].map((nodeid) =>
      other.errnoOf('getattr', {}, { nodeid: nodeid! }),
    )
    expect(errnos).toEqual([errno.ESTALE, errno.ESTALE, errno.ESTALE, 0])
    expect(other.errnoOf('read', { fh, size: 10 }, { nodeid: gone! })).toBe(errno.ESTALE)
    expect(other.errnoOf('flush', { fh }, { nodeid: gone! })).toBe(0)
    expect(other.errnoOf('release', { fh }, { nodeid: gone! })).toBe(0)
    expect(other.errnoOf('release', { fh }, { nodeid: gone! })).toBe(errno.EBADF)
    expect(other.log.at(-1)).toMatch(
      /^\d of its files are gone or have changed since it was saved$/,
    )
  })

  it('has nothing before INIT', () => {
    const probe = serve({ init: null })
    expect(probe.session.save()).toBe(null)
    const other = restored(probe)
    expect(other.session.features.minor).toBe(0)
  })

  it.each([
    [{ format: 99 }, 'the saved session has format 99, and 1 is known here'],
    ['text', 'the saved session has format undefined, and 1 is known here'],
    [{ format: 1 }, 'the saved session is incomplete'],
  ])('refuses what is none: %j', (saved, message) => {
    expect(() => serve({ init: null }).session.load(saved)).toThrow(message)
  })

  it.each(['..', 'a/../..', '', '\0'])('looks up no place that leads out: %j', (name) => {
    const probe = serve()
    probe.node('a/g')
    const saved = probe.session.save() as SavedFuseSession
    const places = saved.nodes.places.map((place) => (place.above < 0 ? place : { ...place, name }))
    const nodes = { ...saved.nodes, places }
    expect(() => serve({ init: null }).session.load({ ...saved, nodes })).toThrow('EINVAL')
  })
})
