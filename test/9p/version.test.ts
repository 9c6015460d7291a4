import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { limits } from '../../src/9p/index.ts'
import { defaultLimits } from '../../src/session/session-limits.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { rawFrame } from '../support/frames.ts'
import { SessionProbe } from '../support/session-probe.ts'

let tree: FakeTree

beforeEach(() => {
  tree = new FakeTree()
})

describe('Tversion', () => {
  it('agrees on the smaller msize', () => {
    const most = { ...defaultLimits, msize: 65536 }
    const probe = new SessionProbe(tree, 0, most)
    const agreed = (msize: number): number =>
      probe.call('version', { msize, version: '9P2000.L' }).msize
    expect(agreed(limits.MSIZE_MIN)).toBe(4096)
    expect(agreed(8192)).toBe(8192)
    expect(agreed(65536)).toBe(65536)
    expect(agreed(65537)).toBe(65536)
    expect(agreed(0xffff_ffff)).toBe(65536)
    expect(probe.session.msize).toBe(65536)
  })

  it.each([0, 7, 8, 23, 4095])('refuses an msize of %i', (msize) => {
    const probe = new SessionProbe(tree, 0)
    expect(probe.errnoOf('version', { msize, version: '9P2000.L' })).toBe(errno.EINVAL)
    expect(probe.session.msize).toBe(0)
  })

  it.each(['9P2000', '9P2000.u', '', '9P2000.Lx', '\0'])(
    'answers the dialect %j with "unknown"',
    (version) => {
      const probe = new SessionProbe(tree, 0)
      expect(probe.call('version', { msize: 8192, version }).version).toBe('unknown')
    },
  )

  it('comes first', () => {
    const probe = new SessionProbe(tree, 0)
    expect(() => probe.attach()).toThrow(expect.objectContaining({ code: 'NO_VERSION' }))
    expect(tree.calls).toEqual([])
  })

  it('begins anew: all fids are gone, all files closed, all waiting requests forgotten', () => {
    const probe = new SessionProbe(tree).attach()
    probe.walk(1, 'file').open(1).walk(2, 'slow').open(2)
    probe.send(5, 'read', { fid: 2, offset: 0, count: 10 })
    expect([tree.uses, tree.openFiles]).toEqual([3, 2])

    probe.call('version', { msize: 16384, version: '9P2000.L' })
    expect([tree.uses, tree.openFiles, tree.cancelled]).toEqual([0, 0, 1])
    for (const fid of [0, 1, 2])
      expect(probe.errnoOf('getattr', { fid, mask: 1 })).toBe(errno.EBADF)
    // The tag of the request that waited is free again, and its answer goes nowhere.
    probe.send(5, 'flush', { oldtag: 9 })
    tree.parked[0]!.resolve(Buffer.from('late'))
    expect(probe.replies.map(({ type }) => type)).toEqual([109])
    expect(tree.faults).toEqual([])
  })

  it('begins anew also when it is refused', () => {
    const probe = new SessionProbe(tree).attach()
    expect(probe.errnoOf('version', { msize: 1, version: '9P2000.L' })).toBe(errno.EINVAL)
    expect(tree.uses).toBe(0)
  })
})

describe('a message that the table does not have', () => {
  // Among them Terror, Topen, Tcreate, Tstat and Twstat of the dialect that 9P2000.L came from.
  const unknown = [0, 6, 7, 9, 98, 101, 103, 106, 112, 114, 123, 124, 126, 255]
  it.each(unknown)('type %i is EOPNOTSUPP', (type) => {
    const probe = new SessionProbe(tree)
    probe.sendRaw(rawFrame(type, 0x1234, Buffer.from('anything')))
    const [reply] = probe.replies
    expect([reply!.type, reply!.tag, reply!.frame.readUInt32LE(7)]).toEqual([
      7,
      0x1234,
      errno.EOPNOTSUPP,
    ])
    probe.attach()
  })

  it('is answered the same before Tversion', () => {
    const probe = new SessionProbe(tree, 0)
    probe.sendRaw(rawFrame(112, 1))
    expect(probe.replies[0]!.frame.readUInt32LE(7)).toBe(errno.EOPNOTSUPP)
  })
})
