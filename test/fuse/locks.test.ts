import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { flags } from '../../src/9p/index.ts'
import { LK_FLOCK, RELEASE_FLOCK_UNLOCK, lock } from '../../src/fuse/wire/flags.ts'
import type { FuseProbe } from '../support/fuse/fuse-probe.ts'
import { FuseHostProbe } from '../support/fuse/host-probe.ts'
import { HostProbe } from '../support/host-probe.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const { RDLCK, WRLCK, UNLCK } = lock
const RDWR = 2
const LAST = (1n << 63n) - 1n
/** After so long, in milliseconds, the tree no longer waits (WAIT_MS in host-locks.ts). */
const PATIENCE = 30_000

let directory: string
let a: FuseHostProbe
let b: FuseHostProbe
let fa: number
let fb: number

beforeEach(() => {
  directory = temporaryDirectory()
  writeFileSync(join(directory, 'file'), 'content')
  writeFileSync(join(directory, 'other'), 'content')
  a = new FuseHostProbe(directory)
  b = new FuseHostProbe(a)
  fa = a.opened('file', RDWR)
  fb = b.opened('file', RDWR)
})

interface Wish {
  readonly type?: number
  readonly start?: bigint
  readonly end?: bigint
  /** The guest's process, as Linux hides it (fuse_lock_owner_id), or its open file for flock(2). */
  readonly owner?: bigint
  readonly flags?: number
  readonly pid?: number
}

function asked(fh: number, wish: Wish) {
  return { fh, type: WRLCK, start: 0n, end: LAST, owner: 7n, flags: 0, pid: 12, ...wish }
}

/** The errno of SETLK; 0 where it was granted. */
function setlk(probe: FuseProbe, fh: number, wish: Wish = {}): number {
  return probe.errnoOf('setlk', asked(fh, wish))
}

/** SETLKW, which may wait. */
function setlkw(probe: FuseProbe, unique: number, fh: number, wish: Wish = {}): void {
  probe.send(unique, 'setlkw', asked(fh, wish))
}

function getlk(probe: FuseProbe, fh: number, wish: Wish = {}): string {
  const { type, start, end, pid } = probe.call('getlk', asked(fh, wish))
  return type === UNLCK ? 'free' : `${type} ${start}-${end} of ${pid}`
}

/** What waiting requests were answered, in order: 0, or an errno. */
function answers(probe: FuseProbe): [unique: number, ecode: number][] {
  return probe.taken('setlkw').map(({ unique, reply }) => {
    return [unique, typeof reply === 'number' ? reply : 0]
  })
}

describe('locks of fcntl(2)', () => {
  it('keep other owners out, of this client and of others', () => {
    expect(setlk(a, fa, { end: 9n })).toBe(0)
    expect(setlk(a, fa, { end: 9n, owner: 8n })).toBe(errno.EAGAIN)
    expect(setlk(b, fb, { start: 9n })).toBe(errno.EAGAIN)
    expect(setlk(b, fb, { start: 9n, type: RDLCK })).toBe(errno.EAGAIN)
    expect(setlk(b, fb, { start: 10n })).toBe(0)
    expect(setlk(a, fa, { end: 9n, type: UNLCK })).toBe(0)
    expect(setlk(b, fb, { end: 9n })).toBe(0)
  })

  it('can be shared to read', () => {
    expect([setlk(a, fa, { type: RDLCK }), setlk(b, fb, { type: RDLCK })]).toEqual([0, 0])
    expect(setlk(a, fa)).toBe(errno.EAGAIN)
  })

  it('belong to an owner and not to an open file', () => {
    const second = a.opened('file', RDWR)
    expect([setlk(a, fa), setlk(a, second)]).toEqual([0, 0])
    expect(setlk(a, second, { type: UNLCK })).toBe(0)
    expect(setlk(b, fb)).toBe(0)
  })

  it('are given back by the FLUSH of their owner, and of no other', () => {
    setlk(a, fa)
    a.call('flush', { fh: fa, lockOwner: 8n })
    expect(setlk(b, fb)).toBe(errno.EAGAIN)
    a.call('flush', { fh: fa, lockOwner: 7n })
    expect(setlk(b, fb)).toBe(0)
  })

  it('end with the open file through which they were taken', () => {
    setlk(a, fa)
    a.call('release', { fh: fa })
    expect(setlk(b, fb)).toBe(0)
  })

  it('end with their session', () => {
    setlk(a, fa)
    setlkw(b, 1, fb)
    a.session.close()
    expect(answers(b)).toEqual([[1, 0]])
  })

  it('of owners whose numbers take all 64 bits are different', () => {
    expect(setlk(a, fa, { owner: (1n << 64n) - 1n })).toBe(0)
    expect(setlk(a, fa, { owner: (1n << 64n) - 2n })).toBe(errno.EAGAIN)
  })

  it('are told by GETLK, with the process of their guest', () => {
    setlk(a, fa, { start: 5n, end: 9n, pid: 4711 })
    setlk(a, fa, { start: 20n, end: 29n, type: RDLCK, pid: 4711 })
    expect(getlk(b, fb)).toBe(`${WRLCK} 5-9 of 4711`)
    expect(getlk(b, fb, { start: 10n })).toBe(`${RDLCK} 20-29 of 4711`)
    expect(getlk(b, fb, { start: 10n, type: RDLCK })).toBe('free')
    expect(getlk(a, fa)).toBe('free')
    expect(getlk(a, fa, { owner: 8n })).toBe(`${WRLCK} 5-9 of 4711`)
  })

  it.each([
    { start: 5n, end: 4n },
    { end: 1n << 63n },
    { start: 1n << 63n, end: (1n << 64n) - 1n },
    { type: 3 },
    { type: 0xffff_ffff },
  ])('are EINVAL for what no lock can be: %o', (wish) => {
    expect(setlk(a, fa, wish)).toBe(errno.EINVAL)
    expect(a.errnoOf('setlkw', asked(fa, wish))).toBe(errno.EINVAL)
    expect(a.errnoOf('getlk', asked(fa, wish))).toBe(errno.EINVAL)
  })

  it('are ENOLCK beyond the limit of ranges', () => {
    const c = new FuseHostProbe(a, {}, { limits: { locks: 2 } })
    const fh = c.opened('file', RDWR)
    const locked = [0n, 2n, 4n].map((at) => setlk(c, fh, { start: at, end: at }))
    expect(locked).toEqual([0, 0, errno.ENOLCK])
    expect(c.log).toEqual([expect.stringContaining('its limit of 2 locks')])
  })

  it('are possible on a read-only tree that is cached, which is opened for them', () => {
    const c = new FuseHostProbe(directory, { readOnly: true }, { caching: 'loose' })
    const fh = c.opened('file')
    expect(setlk(c, fh, { type: RDLCK, owner: 1n })).toBe(0)
    expect(setlk(c, fh, { type: WRLCK, owner: 2n })).toBe(errno.EAGAIN)
  })
})

describe('locks of flock(2)', () => {
  const flock = { flags: LK_FLOCK }

  it('belong to an open file', () => {
    expect(setlk(a, fa, { ...flock, owner: 1n })).toBe(0)
    expect(setlk(a, fa, { ...flock, owner: 2n })).toBe(errno.EAGAIN)
    expect(setlk(b, fb, { ...flock, owner: 1n })).toBe(errno.EAGAIN)
    expect(setlk(a, fa, { ...flock, owner: 1n, type: UNLCK })).toBe(0)
    expect(setlk(b, fb, { ...flock, owner: 1n })).toBe(0)
  })

  it('are apart from those of fcntl(2), as on a file system of Linux’s own', () => {
    expect([setlk(a, fa, flock), setlk(a, fa), setlk(b, fb)]).toEqual([0, 0, errno.EAGAIN])
    a.call('flush', { fh: fa, lockOwner: 7n })
    expect([setlk(b, fb), setlk(b, fb, flock)]).toEqual([0, errno.EAGAIN])
    expect(getlk(a, fa, flock)).toBe('free')
  })

  it('count for the limit of ranges like the others', () => {
    const c = new FuseHostProbe(a, {}, { limits: { locks: 1 } })
    const fh = c.opened('file', RDWR)
    expect([setlk(c, fh), setlk(c, fh, flock)]).toEqual([0, errno.ENOLCK])
    c.call('release', { fh })
    expect(c.session.locks.held).toBe(0)
  })

  it('are given back when the open file is released', () => {
    const second = a.opened('file', RDWR)
    setlk(a, fa, { ...flock, owner: 1n })
    // Linux tells it with the release of the open file that has the lock, by whatever handle.
    a.call('release', { fh: second, releaseFlags: RELEASE_FLOCK_UNLOCK, lockOwner: 1n })
    expect(setlk(b, fb, flock)).toBe(0)
  })
})

describe('SETLKW', () => {
  beforeEach(() => {
    setlk(a, fa, { end: 9n })
  })

  it('is answered at once where nothing is in the way, also to unlock', () => {
    setlkw(b, 1, fb, { start: 10n })
    setlkw(b, 2, fb, { type: UNLCK })
    expect(answers(b)).toEqual([
      [1, 0],
      [2, 0],
    ])
  })

  it('waits for another owner, in the order in which they came', () => {
    setlkw(b, 1, fb)
    setlkw(b, 2, fb, { owner: 8n, start: 5n })
    expect(answers(b)).toEqual([])
    setlk(a, fa, { type: UNLCK })
    expect(answers(b)).toEqual([[1, 0]])
    setlk(b, fb, { type: UNLCK })
    expect(answers(b)).toEqual([[2, 0]])
  })

  it('is EINTR when it is interrupted, and the lock is another’s to take', () => {
    setlkw(b, 1, fb)
    b.tell('interrupt', { unique: 1 })
    expect(answers(b)).toEqual([[1, errno.EINTR]])
    setlk(a, fa, { type: UNLCK })
    expect([answers(b), setlk(a, fa, { owner: 9n })]).toEqual([[], 0])
  })

  it('waits on when the tree would have its client ask again', () => {
    setlkw(b, 1, fb)
    for (let i = 0; i < 3; i++) {
      expect(a.timers.waiting).toContain(PATIENCE)
      a.timers.fire(PATIENCE)
    }
    expect(answers(b)).toEqual([])
    setlk(a, fa, { type: UNLCK })
    expect(answers(b)).toEqual([[1, 0]])
    expect(a.timers.waiting).not.toContain(PATIENCE)
  })

  it('is interrupted also after it has begun anew', () => {
    setlkw(b, 1, fb)
    a.timers.fire(PATIENCE)
    b.tell('interrupt', { unique: 1 })
    expect(answers(b)).toEqual([[1, errno.EINTR]])
    expect(a.timers.waiting).not.toContain(PATIENCE)
  })

  it('is EBADF when its open file is closed', () => {
    setlkw(b, 1, fb)
    b.call('release', { fh: fb })
    expect(answers(b)).toEqual([[1, errno.EBADF]])
  })

  it('is forgotten with its session', () => {
    setlkw(b, 1, fb)
    b.session.close()
    expect(setlk(a, fa, { type: UNLCK })).toBe(0)
    expect([answers(b), b.channel.forgotten]).toEqual([[], 1])
    expect(setlk(a, fa, { owner: 9n })).toBe(0)
  })

  it('is EDEADLK where it would wait for itself', () => {
    const [oa, ob] = [a.opened('other', RDWR), b.opened('other', RDWR)]
    setlk(b, ob)
    setlkw(b, 1, fb)
    expect(a.errnoOf('setlkw', asked(oa, {}))).toBe(errno.EDEADLK)
    setlk(a, fa, { type: UNLCK })
    expect(answers(b)).toEqual([[1, 0]])
  })
})

describe('locks of a FUSE client and of a 9P client', () => {
  const ninep = flags.lock

  it('keep each other out, on one tree', () => {
    const other = new HostProbe(a.tree)
    const fid = other.opened('file', RDWR)
    const wish = { fid, type: ninep.WRLCK, start: 0n, length: 0n, procId: 1, clientId: 'g' }
    const blocked = (): boolean =>
      other.call('lock', { ...wish, flags: 0 }).status === ninep.BLOCKED
    setlk(a, fa, { end: 9n, pid: 4711 })
    expect(blocked()).toBe(true)
    expect(other.call('getlock', wish)).toMatchObject({ start: 0n, length: 10n })
    setlk(a, fa, { type: UNLCK })
    expect(blocked()).toBe(false)
    expect(getlk(a, fa)).toBe(`${WRLCK} 0-${LAST} of 1`)
    setlkw(a, 1, fa)
    other.call('lock', { ...wish, type: ninep.UNLCK, flags: 0 })
    expect(answers(a)).toEqual([[1, 0]])
  })

  it('as they wait for each other are a deadlock', () => {
    const other = new HostProbe(a.tree)
    const [file, second] = [other.opened('file', RDWR), other.opened('other', RDWR)]
    const oa = a.opened('other', RDWR)
    const wish = { type: ninep.WRLCK, start: 0n, length: 0n, procId: 1, clientId: 'g' }
    other.call('lock', { ...wish, fid: second, flags: 0 })
    setlk(a, fa)
    other.send(1, 'lock', { ...wish, fid: file, flags: ninep.BLOCK })
    expect(a.errnoOf('setlkw', asked(oa, {}))).toBe(errno.EDEADLK)
  })
})
