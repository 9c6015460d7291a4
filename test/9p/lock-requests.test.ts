import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { flags, type R, type T } from '../../src/9p/index.ts'
import { defaultLimits } from '../../src/session/session-limits.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { fieldsOf, SessionProbe } from '../support/session-probe.ts'

const { RDLCK, WRLCK, UNLCK, BLOCK, SUCCESS, BLOCKED } = flags.lock
const LAST = (1n << 63n) - 1n

let tree: FakeTree
let probe: SessionProbe

beforeEach(() => {
  tree = new FakeTree()
  probe = new SessionProbe(tree).attach()
  probe.walk(1, 'file').open(1)
})

function asked(changes: Partial<T<'lock'>> = {}): T<'lock'> {
  const range = { start: 0n, length: 0n }
  return { fid: 1, type: WRLCK, flags: 0, ...range, procId: 12, clientId: 'guest', ...changes }
}

function statusOf(index: number): number {
  return fieldsOf('lock', probe.replies[index]!).status
}

describe('Tlock', () => {
  it('hands the range, the type and the owner on', () => {
    expect(probe.call('lock', asked({ start: 5n, length: 10n })).status).toBe(SUCCESS)
    expect(probe.call('lock', asked({ type: RDLCK, start: 5n })).status).toBe(SUCCESS)
    expect(probe.call('lock', asked({ type: UNLCK, length: 1n, procId: 3 })).status).toBe(SUCCESS)
    expect(tree.calls.slice(-3)).toEqual([
      'lock write 5-14 guest/12',
      `lock read 5-${LAST} guest/12`,
      'unlock 0-0 guest/3',
    ])
  })

  it('refuses ranges that no file has', () => {
    const found = (start: bigint, length: bigint): number =>
      probe.errnoOf('lock', asked({ start, length }))
    expect([found(LAST, 1n), found(LAST, 0n), found(0n, LAST)]).toEqual([0, 0, 0])
    expect(found(1n, LAST)).toBe(0)
    const wrong: [bigint, bigint][] = [
      [2n, LAST],
      [LAST, 2n],
      [1n << 63n, 0n],
      [(1n << 64n) - 1n, 2n],
      [0n, (1n << 64n) - 1n],
      [1n, (1n << 64n) - 1n],
    ]
    for (const [start, length] of wrong) expect(found(start, length)).toBe(errno.EINVAL)
  })

  it('refuses a type that is none and a client_id that is too long', () => {
    expect(probe.errnoOf('lock', asked({ type: 3 }))).toBe(errno.EINVAL)
    expect(probe.errnoOf('lock', asked({ clientId: 'x'.repeat(256) }))).toBe(errno.ENAMETOOLONG)
    expect(probe.errnoOf('lock', asked({ clientId: 'x'.repeat(255) }))).toBe(0)
  })

  it('needs an open file', () => {
    probe.walk(2, 'file').walk(3, 'dir').open(3)
    expect(probe.errnoOf('lock', asked({ fid: 2 }))).toBe(errno.EBADF)
    expect(probe.errnoOf('lock', asked({ fid: 3 }))).toBe(errno.EISDIR)
    expect(probe.errnoOf('lock', asked({ fid: 9 }))).toBe(errno.EBADF)
  })

  it('may wait with P9_LOCK_FLAGS_BLOCK, and is answered either way', () => {
    probe.send(1, 'lock', asked({ flags: BLOCK }))
    probe.send(2, 'lock', asked({ flags: BLOCK | 2 }))
    expect(probe.replies).toEqual([])
    tree.lockWaits[0]!.resolve(true)
    tree.lockWaits[1]!.resolve(false)
    expect([statusOf(0), statusOf(1)]).toEqual([SUCCESS, BLOCKED])
  })

  it('is cancelled by Tflush', () => {
    probe.send(1, 'lock', asked({ flags: BLOCK }))
    probe.send(2, 'flush', { oldtag: 1 })
    expect(probe.replies.map(({ tag, type }) => [tag, type])).toEqual([[2, 109]])
    expect(tree.cancelled).toBe(1)
  })

  it('is possible on a read-only tree', () => {
    tree.readOnly = true
    expect(probe.call('lock', asked()).status).toBe(SUCCESS)
  })
})

describe('Tgetlock', () => {
  function getlock(changes: Partial<T<'getlock'>>): R<'getlock'> {
    const { flags: _, ...request } = asked()
    return probe.call('getlock', { ...request, ...changes })
  }

  it('answers with the conflicting lock', () => {
    const reader = { type: RDLCK, start: 5n, procId: 7, clientId: 'another' }
    expect(getlock({ type: WRLCK, length: 10n })).toEqual({ ...reader, length: 5n })
    expect(getlock({ type: RDLCK, length: 0n })).toEqual({ ...reader, length: 0n })
  })

  it('answers with UNLCK and the request’s fields if there is no conflict', () => {
    const request = { type: WRLCK, start: 0n, length: 1n, procId: 12, clientId: 'guest' }
    expect(getlock(request)).toEqual({ ...request, type: UNLCK })
  })

  it('looks for any lock when asked with UNLCK, as Linux does', () => {
    getlock({ type: UNLCK })
    expect(tree.calls.at(-1)).toBe(`getlock write 0-${LAST}`)
    getlock({ type: RDLCK })
    expect(tree.calls.at(-1)).toBe(`getlock read 0-${LAST}`)
  })
})

describe('the limit of requests that wait', () => {
  beforeEach(() => {
    probe = new SessionProbe(tree, 8192, { ...defaultLimits, parked: 2 }).attach()
    probe.walk(1, 'slow').open(1).walk(2, 'file').open(2)
    probe.send(1, 'read', { fid: 1, offset: 0, count: 1 })
    probe.send(2, 'lock', asked({ fid: 2, flags: BLOCK }))
  })

  it('is ENOMEM for a read beyond it, which is cancelled', () => {
    expect(probe.errnoOf('read', { fid: 1, offset: 0, count: 1 })).toBe(errno.ENOMEM)
    expect(tree.cancelled).toBe(1)
    tree.parked[1]!.resolve(Buffer.from('late'))
    expect(probe.replies).toEqual([])
  })

  it('answers BLOCKED at once to a lock beyond it', () => {
    expect(probe.call('lock', asked({ fid: 2, flags: BLOCK })).status).toBe(SUCCESS)
    expect(tree.lockWaits.length).toBe(1)
  })

  it('allows another request once one is answered', () => {
    tree.parked[0]!.resolve(Buffer.from('x'))
    probe.send(3, 'read', { fid: 1, offset: 0, count: 1 })
    expect(probe.replies.map(({ tag }) => tag)).toEqual([1])
  })
})
