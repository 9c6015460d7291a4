import { chmodSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../../src/sys/errno.ts'
import { flags } from '../../../src/9p/index.ts'
import { openDescriptors } from '../../support/descriptors.ts'
import { HostLocker } from '../../support/host-locker.ts'
import { HostProbe } from '../../support/host-probe.ts'
import { ManualTimers } from '../../support/manual-timers.ts'
import { asOrdinaryUser, built } from '../../support/ordinary-user.ts'
import { fieldsOf } from '../../support/session-probe.ts'
import { temporaryDirectory } from '../../support/temporary.ts'

const { RDLCK, WRLCK, UNLCK, BLOCK, SUCCESS, BLOCKED } = flags.lock
const { RDONLY, WRONLY, RDWR } = flags.open
const RETRY = 20
const PATIENCE = 30_000

let directory: string
let file: string
let timers: ManualTimers
let a: HostProbe
let b: HostProbe

beforeEach(() => {
  directory = temporaryDirectory()
  file = join(directory, 'f')
  writeFileSync(file, 'x'.repeat(100))
  timers = new ManualTimers()
  a = new HostProbe(directory, {}, 8192, { later: timers.later })
  b = new HostProbe(a.tree, {}, 8192)
})

interface Wish {
  type?: number
  start?: number
  length?: number
  procId?: number
  clientId?: string
}

function request(
  fid: number,
  { type = WRLCK, start = 0, length = 0, procId = 1, clientId = 'g' }: Wish,
) {
  return { fid, type, start: BigInt(start), length: BigInt(length), procId, clientId }
}

function lock(probe: HostProbe, fid: number, wish: Wish = {}): number {
  return probe.call('lock', { ...request(fid, wish), flags: 0 }).status
}

/** A lock that may wait. */
function ask(probe: HostProbe, tag: number, fid: number, wish: Wish = {}): void {
  probe.send(tag, 'lock', { ...request(fid, wish), flags: BLOCK })
}

/** What the waiting ones were answered, in order: tag and status, or tag and errno. */
function answers(probe: HostProbe): string[] {
  return probe.replies.map((reply) =>
    reply.type === 7
      ? `${reply.tag} errno ${reply.frame.readUInt32LE(7)}`
      : `${reply.tag} ${['granted', 'blocked'][fieldsOf('lock', reply).status]}`,
  )
}

function getlock(probe: HostProbe, fid: number, wish: Wish = {}): string {
  const { type, start, length, procId, clientId } = probe.call('getlock', request(fid, wish))
  return type === UNLCK ? 'free' : `${type} ${start}+${length} ${clientId}/${procId}`
}

/** What is waited for, but for the descriptors of what has just been walked to. */
function waiting(): number[] {
  return timers.waiting.filter((milliseconds) => milliseconds !== 10)
}

describe('locks of two guests', () => {
  it('keep each other out, as long as they are held', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    expect(lock(a, fa, { length: 10 })).toBe(SUCCESS)
    expect(lock(b, fb, { start: 9 })).toBe(BLOCKED)
    expect(lock(b, fb, { start: 9, type: RDLCK })).toBe(BLOCKED)
    expect(lock(b, fb, { start: 10 })).toBe(SUCCESS)
    expect(lock(a, fa, { length: 10, type: UNLCK })).toBe(SUCCESS)
    expect(lock(b, fb, { length: 10 })).toBe(SUCCESS)
    expect(lock(a, fa, { type: RDLCK, start: 5, length: 1 })).toBe(BLOCKED)
  })

  it('can be shared to read, and then not be written', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    expect([lock(a, fa, { type: RDLCK }), lock(b, fb, { type: RDLCK })]).toEqual([0, 0])
    expect(lock(a, fa, { type: WRLCK })).toBe(BLOCKED)
    lock(b, fb, { type: UNLCK })
    expect(lock(a, fa, { type: WRLCK })).toBe(SUCCESS)
    expect(lock(a, fa, { type: RDLCK })).toBe(SUCCESS)
    expect(lock(b, fb, { type: RDLCK })).toBe(SUCCESS)
  })

  it('belong to processes: the same process id in another guest is another owner', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    lock(a, fa, { procId: 5, clientId: 'host' })
    expect(lock(b, fb, { procId: 5, clientId: 'host' })).toBe(BLOCKED)
    expect(lock(a, fa, { procId: 6, clientId: 'host' })).toBe(BLOCKED)
    expect(lock(a, fa, { procId: 5, clientId: 'other' })).toBe(BLOCKED)
    expect(lock(a, fa, { procId: 5, clientId: 'host' })).toBe(SUCCESS)
    // The same process through another fid of the same file, by another name.
    renameSync(file, join(directory, 'g'))
    const second = a.opened('g', RDWR)
    expect(lock(a, second, { procId: 5, clientId: 'host', type: UNLCK })).toBe(SUCCESS)
    expect(lock(b, fb)).toBe(SUCCESS)
  })

  it('do not affect other files', () => {
    writeFileSync(join(directory, 'g'), '')
    expect(lock(a, a.opened('f', RDWR))).toBe(SUCCESS)
    expect(lock(b, b.opened('g', RDWR))).toBe(SUCCESS)
  })

  it('hold for a file that has no name any more', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    unlinkSync(file)
    expect([lock(a, fa), lock(b, fb)]).toEqual([SUCCESS, BLOCKED])
  })

  it('end with the fid that they were taken through, and with the connection', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    const second = a.opened('f', RDWR)
    lock(a, fa, { start: 0, length: 10 })
    lock(a, second, { start: 10, length: 10 })
    a.call('clunk', { fid: fa })
    expect([lock(b, fb, { length: 10 }), lock(b, fb, { start: 10 })]).toEqual([SUCCESS, BLOCKED])
    a.session.close()
    expect(lock(b, fb, { start: 10 })).toBe(SUCCESS)
  })

  it('are reported to Tgetlock: the first one', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    lock(a, fa, { start: 50, procId: 7 })
    lock(a, fa, { start: 20, length: 5, procId: 8, type: RDLCK })
    expect(getlock(b, fb)).toBe('0 20+5 g/8')
    expect(getlock(b, fb, { type: RDLCK })).toBe('1 50+0 g/7')
    expect(getlock(b, fb, { length: 20 })).toBe('free')
    expect(getlock(a, fa, { procId: 7 })).toBe('0 20+5 g/8')
    expect(getlock(a, fa, { procId: 7, start: 30 })).toBe('free')
  })

  it('cost no more descriptors than there are files locked', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDONLY)]
    const before = openDescriptors()
    for (let start = 0; start < 50; start += 2) lock(a, fa, { start, length: 1 })
    for (let start = 1; start < 50; start += 2) lock(b, fb, { start, length: 1, type: RDLCK })
    expect(openDescriptors()).toBe(before + 1)
    lock(a, fa, { type: UNLCK })
    expect(openDescriptors()).toBe(before + 1)
    lock(b, fb, { type: UNLCK })
    expect(openDescriptors()).toBe(before)
    expect([a.session.locks.held, b.session.locks.held]).toEqual([0, 0])
  })
})

describe('a request that waits for a lock', () => {
  it('gets it when the holder unlocks, in the order of requests', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    lock(a, fa)
    ask(b, 1, fb, { procId: 11 })
    ask(b, 2, fb, { procId: 12 })
    ask(a, 3, fa, { procId: 13 })
    expect(b.replies).toEqual([])
    lock(a, fa, { type: UNLCK })
    expect([answers(b), answers(a)]).toEqual([['1 granted'], []])
    lock(b, fb, { type: UNLCK, procId: 11 })
    expect([answers(b), answers(a)]).toEqual([['1 granted', '2 granted'], []])
    b.call('clunk', { fid: fb })
    expect(answers(a)).toEqual(['3 granted'])
    expect(waiting()).toEqual([])
  })

  it('gets a read lock when the holder changes to a read lock', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    lock(a, fa)
    for (const tag of [1, 2, 3]) ask(b, tag, fb, { procId: tag, type: RDLCK })
    lock(a, fa, { type: RDLCK })
    expect(answers(b)).toEqual(['1 granted', '2 granted', '3 granted'])
  })

  it('gets it also when a later request reduces its owner’s lock', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    lock(a, fa, { start: 5, length: 5 })
    lock(b, fb, { length: 5, procId: 1 })
    ask(b, 2, fb, { length: 5, procId: 2, type: RDLCK })
    ask(b, 1, fb, { length: 10, procId: 1, type: RDLCK })
    lock(a, fa, { type: UNLCK })
    expect(answers(b)).toEqual(['1 granted', '2 granted'])
  })

  it('gets it when all conflicting locks are gone, and not before', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    for (const start of [0, 10, 20]) lock(a, fa, { start, length: 5 })
    ask(b, 1, fb)
    lock(a, fa, { type: UNLCK, start: 10, length: 15 })
    expect(answers(b)).toEqual([])
    lock(a, fa, { type: UNLCK, length: 4 })
    expect(answers(b)).toEqual([])
    lock(a, fa, { type: UNLCK, start: 4, length: 1 })
    expect(answers(b)).toEqual(['1 granted'])
  })

  it('gets it from a guest whose connection ends', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    lock(a, fa)
    ask(b, 1, fb)
    ask(a, 2, fa, { procId: 2 })
    a.session.close()
    expect(answers(b)).toEqual(['1 granted'])
    expect(a.replies).toEqual([])
  })

  it('is forgotten after Tflush, with its connection and with its fid', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    const c = new HostProbe(a.tree)
    const fc = c.opened('f', RDWR)
    lock(a, fa)
    ask(b, 1, fb)
    ask(c, 1, fc)
    const second = b.opened('f', RDWR)
    ask(b, 2, second, { procId: 2 })
    b.call('flush', { oldtag: 1 })
    c.session.close()
    b.call('clunk', { fid: second })
    expect(answers(b)).toEqual([`2 errno ${errno.EBADF}`])
    expect(waiting()).toEqual([])
    lock(a, fa, { type: UNLCK })
    expect([answers(b).length, c.replies]).toEqual([1, []])
    expect(getlock(b, fb, { procId: 99 })).toBe('free')
  })

  it('is answered BLOCKED after a while, and then waits no longer', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    lock(a, fa)
    ask(b, 1, fb)
    expect(waiting()).toEqual([PATIENCE])
    timers.fire(PATIENCE)
    expect(answers(b)).toEqual(['1 blocked'])
    lock(a, fa, { type: UNLCK })
    expect(getlock(a, fa)).toBe('free')
    ask(b, 1, fb)
    expect(answers(b)).toEqual(['1 blocked', '1 granted'])
  })

  it('waits for its file, also when that is renamed, removed or replaced meanwhile', () => {
    const held = a.opened('f', RDWR)
    const waits = b.opened('f', RDWR)
    expect(lock(a, held)).toBe(SUCCESS)
    ask(b, 1, waits)
    a.call('renameat', { olddirfid: 0, oldname: 'f', newdirfid: 0, newname: 'g' })
    writeFileSync(file, 'another')
    // The other file is free.
    expect(lock(a, a.opened('f', RDWR))).toBe(SUCCESS)
    a.call('unlinkat', { dirfid: 0, name: 'g', flags: 0 })
    expect(answers(b)).toEqual([])
    a.call('clunk', { fid: held })
    expect(answers(b)).toEqual(['1 granted'])
    expect(b.call('getattr', { fid: waits, mask: 0x7ff })).toMatchObject({ nlink: 0, size: 100 })
  })

  it('gets no lock on another file that its fid’s number stands for by then', () => {
    writeFileSync(join(directory, 'g'), 'another')
    const held = a.opened('f', RDWR)
    const waits = b.opened('f', RDWR)
    expect(lock(a, held)).toBe(SUCCESS)
    ask(b, 1, waits)
    b.call('clunk', { fid: waits })
    b.call('walk', { fid: 0, newfid: waits, names: ['g'] })
    b.call('lopen', { fid: waits, flags: RDWR })
    a.call('clunk', { fid: held })
    expect(answers(b)).toEqual([`1 errno ${errno.EBADF}`])
    expect(getlock(a, a.opened('g', RDWR), { type: WRLCK })).toBe('free')
    expect(getlock(a, a.opened('f', RDWR), { type: WRLCK })).toBe('free')
  })

  it('does not delay requests without a conflict', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    lock(a, fa, { length: 10 })
    ask(b, 1, fb, { length: 20 })
    expect(lock(b, fb, { start: 50, procId: 2 })).toBe(SUCCESS)
    expect(b.call('getattr', { fid: fb, mask: 0x7ff }).size).toBe(100)
  })
})

describe('a wait without end', () => {
  it('is EDEADLK for the request that would close the circle', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    writeFileSync(join(directory, 'g'), '')
    const [ga, gb] = [a.opened('g', RDWR), b.opened('g', RDWR)]
    lock(a, fa)
    lock(b, gb)
    ask(b, 1, fb)
    ask(a, 1, ga)
    expect([answers(a), answers(b)]).toEqual([[`1 errno ${errno.EDEADLK}`], []])
    lock(a, fa, { type: UNLCK })
    expect(answers(b)).toEqual(['1 granted'])
  })

  it('is found through other owners, and between two readers that both want to write', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    for (const [procId, start] of [1, 2, 3, 4].entries()) lock(a, fa, { procId, start, length: 1 })
    ask(a, 1, fa, { procId: 0, start: 2, length: 1 })
    ask(a, 2, fa, { procId: 1, start: 3, length: 1 })
    ask(a, 3, fa, { procId: 2, start: 4, length: 1 })
    ask(a, 4, fa, { procId: 3, start: 1, length: 1 })
    expect(answers(a)).toEqual([`4 errno ${errno.EDEADLK}`])
    a.replies = []
    for (const probe of [a, b]) lock(probe, probe === a ? fa : fb, { type: RDLCK, start: 50 })
    ask(a, 5, fa, { start: 50 })
    ask(b, 5, fb, { start: 50 })
    expect([answers(a), answers(b)]).toEqual([[], [`5 errno ${errno.EDEADLK}`]])
  })

  it('is not assumed where an owner only waits long', () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    lock(a, fa, { length: 1 })
    ask(b, 1, fb, { length: 1 })
    ask(b, 2, fb, { length: 1, procId: 2 })
    ask(a, 3, fa, { length: 1, procId: 3 })
    expect([answers(a), answers(b)]).toEqual([[], []])
  })
})

describe('the host’s programs', () => {
  it('and guests keep each other out', async () => {
    const fa = a.opened('f', RDWR)
    await using host = await HostLocker.start(file)
    expect(await host.lock('write', 0, 9)).toBe(true)
    expect(lock(a, fa)).toBe(BLOCKED)
    expect(lock(a, fa, { length: 10, type: RDLCK })).toBe(BLOCKED)
    expect(lock(a, fa, { start: 10 })).toBe(SUCCESS)
    expect(await host.lock('read', 10, 10)).toBe(false)
    expect(await host.lock('write', 0, 5)).toBe(true)
    expect(getlock(a, fa, { procId: 2 })).toBe('1 10+0 g/1')
    expect(getlock(a, fa)).toBe('1 0+10 /0')
    lock(a, fa, { type: UNLCK })
    expect(await host.lock('write', 10, 99)).toBe(true)
    expect(getlock(a, fa)).toBe('1 0+100 /0')
    expect(getlock(a, fa, { start: 100 })).toBe('free')
  })

  it('see the strongest lock of all guests, byte for byte', async () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    await using host = await HostLocker.start(file)
    const free = async (type: 'read' | 'write', byte: number): Promise<boolean> => {
      if (!(await host.lock(type, byte, byte))) return false
      return host.lock('none', byte, byte)
    }
    lock(a, fa, { type: RDLCK, length: 20 })
    lock(b, fb, { type: RDLCK, start: 10, length: 20 })
    lock(b, fb, { type: WRLCK, start: 25, length: 5 })
    expect(await free('read', 15)).toBe(true)
    expect([await free('write', 15), await free('read', 27), await free('write', 30)]).toEqual([
      false,
      false,
      true,
    ])
    // One reader of two goes: the other is still seen.
    lock(a, fa, { type: UNLCK })
    expect([await free('write', 5), await free('write', 15)]).toEqual([true, false])
    lock(b, fb, { type: RDLCK, start: 25, length: 5 })
    expect([await free('read', 27), await free('write', 27)]).toEqual([true, false])
    b.call('clunk', { fid: fb })
    expect([await free('write', 15), await free('write', 27)]).toEqual([true, true])
  })

  it('are asked again and again for a lock that a guest waits for', async () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    await using host = await HostLocker.start(file)
    await host.lock('write')
    ask(a, 1, fa)
    ask(b, 2, fb)
    expect(waiting()).toEqual([RETRY, PATIENCE, PATIENCE])
    timers.fire(RETRY)
    expect([answers(a), waiting()]).toEqual([[], [RETRY, PATIENCE, PATIENCE]])
    await host.lock('none')
    timers.fire(RETRY)
    expect([answers(a), answers(b)]).toEqual([['1 granted'], []])
    // Now the request waits for the other guest, so the host need not be asked.
    expect(waiting()).toEqual([PATIENCE])
    lock(a, fa, { type: UNLCK })
    expect(answers(b)).toEqual(['2 granted'])
  })

  it('are not asked any more once no request waits', async () => {
    const fa = a.opened('f', RDWR)
    await using host = await HostLocker.start(file)
    await host.lock('read')
    const before = openDescriptors()
    ask(a, 1, fa)
    expect(openDescriptors()).toBe(before + 1)
    a.call('flush', { oldtag: 1 })
    timers.fire(RETRY)
    expect([waiting(), openDescriptors()]).toEqual([[], before])
  })

  it('get a guest’s locks when its connection ends', async () => {
    const fa = a.opened('f', RDWR)
    lock(a, fa)
    await using host = await HostLocker.start(file)
    expect(await host.lock('read')).toBe(false)
    a.session.close()
    expect(await host.lock('write')).toBe(true)
  })

  it('get the locks of a fid when it is clunked, and not those of another fid', async () => {
    const [fa, fb] = [a.opened('f', RDWR), b.opened('f', RDWR)]
    for (const start of [0, 40]) lock(a, fa, { start, length: 10 })
    lock(b, fb, { start: 20, length: 10 })
    await using host = await HostLocker.start(file)
    a.call('clunk', { fid: fa })
    expect([await host.lock('write', 0, 19), await host.lock('write', 30, 99)]).toEqual([
      true,
      true,
    ])
    expect(await host.lock('write', 20, 20)).toBe(false)
  })

  it('keep a read lock between a guest’s read and write lock of the same range', async () => {
    const fa = a.opened('f', RDONLY)
    lock(a, fa, { type: RDLCK, length: 10 })
    await using host = await HostLocker.start(file)
    await host.lock('read', 0, 9)
    // The file is opened anew to be locked for writing; what was held already is never let go of.
    expect(lock(a, fa, { start: 50, length: 1 })).toBe(SUCCESS)
    expect(await host.lock('write', 0, 9)).toBe(false)
    expect(lock(a, fa, { length: 10 })).toBe(BLOCKED)
    expect(await host.lock('write', 50, 50)).toBe(false)
    await host.lock('none', 0, 9)
    expect(lock(a, fa, { length: 10 })).toBe(SUCCESS)
    expect(await host.lock('read', 0, 0)).toBe(false)
  })

  it('may read what a guest of a read-only export has locked, where its locks are shown', async () => {
    const only = new HostProbe(directory, { readOnly: true, lockScope: 'host' })
    await using host = await HostLocker.start(file)
    const fid = only.opened('f')
    expect(lock(only, fid)).toBe(SUCCESS)
    expect([await host.lock('write', 5, 5), await host.lock('read', 5, 5)]).toEqual([false, true])
  })

  it('and other trees of the same directory are kept apart through the host', () => {
    const other = new HostProbe(directory)
    const [fa, fo] = [a.opened('f', RDWR), other.opened('f', WRONLY)]
    expect([lock(a, fa), lock(other, fo)]).toEqual([SUCCESS, BLOCKED])
    lock(a, fa, { type: UNLCK })
    expect([lock(other, fo), lock(a, fa)]).toEqual([SUCCESS, BLOCKED])
  })
})

describe('the limit of locks', () => {
  it('is ENOLCK, also for an unlock that would split a range, and other clients are not affected', () => {
    const few = new HostProbe(a.tree, {}, 8192, { locks: 3 })
    const fid = few.opened('f', RDWR)
    const set = (wish: Wish): number => few.errnoOf('lock', { ...request(fid, wish), flags: 0 })
    expect([0, 10, 20].map((start) => set({ start, length: 5 }))).toEqual([0, 0, 0])
    expect(set({ start: 30, length: 5 })).toBe(errno.ENOLCK)
    expect(set({ start: 12, length: 1, type: UNLCK })).toBe(errno.ENOLCK)
    expect(set({ start: 12, length: 1, type: RDLCK })).toBe(errno.ENOLCK)
    // Larger, not more.
    expect(set({ start: 5, length: 5 })).toBe(0)
    expect(set({ start: 12, length: 1, type: UNLCK })).toBe(0)
    expect(few.session.locks.held).toBe(3)
    expect(lock(b, b.opened('f', RDWR), { start: 50 })).toBe(SUCCESS)
    few.call('clunk', { fid })
    expect(few.session.locks.held).toBe(0)
  })
})

describe('a file that the server may not open again', () => {
  it('is locked through the guest’s open file, and free afterwards', () => {
    chmodSync(directory, 0o777)
    const found = asOrdinaryUser(
      `const { HostTree } = await import(values.tree)
       const { setOfdLock } = await import(values.locks)
       const { chmodSync, openSync, writeFileSync } = await import('node:fs')
       const all = { start: 0n, end: 2n ** 63n - 1n }
       const owner = { client: { most: 9, held: 0 }, clientId: 'g', procId: 1 }
       const policy = { readOnly: false, owner: 'host', atime: 'guest' }
       const tree = new HostTree(values.directory, policy)
       const results = ['WRONLY', 'RDWR'].map((name, flags) => {
         const path = values.directory + '/' + name
         const { file } = tree.attach('').node.names.create(name, flags + 1, 0o600, { uid: 0, gid: 0 }, null)
         const other = openSync(path, 'r+')
         chmodSync(path, 0)
         const granted = [file.locks.lock({ type: 'read', owner, ...all }, false)]
         const seen = [setOfdLock(other, 'write', all)]
         granted.push(file.locks.lock({ type: 'write', owner, ...all }, false))
         seen.push(setOfdLock(other, 'read', all))
         file.locks.unlock(all, owner)
         seen.push(setOfdLock(other, 'write', all))
         return { granted, seen }
       })
       // Opened to be read and locked so, then allowed again and locked to be written.
       const path = values.directory + '/RDONLY'
       writeFileSync(path, '')
       const file = tree.attach('').node.lookup('RDONLY', null).open(0, 0)
       chmodSync(path, 0)
       const granted = [file.locks.lock({ type: 'read', owner, ...all }, false)]
       chmodSync(path, 0o600)
       granted.push(file.locks.lock({ type: 'write', owner, ...all }, false))
       console.log(JSON.stringify([...results, granted]))`,
      { directory, tree: built('tree/host/host-tree.js'), locks: built('sys/locks.js') },
    )
    const expected = { granted: [true, true], seen: [false, false, true] }
    expect(found).toEqual([expected, expected, [true, true]])
  })
})
