import { closeSync, constants, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { flags } from '../../src/9p/index.ts'
import { errno } from '../../src/sys/errno.ts'
import { SEARCH_STEPS } from '../../src/tree/host/deadlock.ts'
import { Descriptors } from '../../src/tree/host/descriptors.ts'
import { FileLocks, LockTable } from '../../src/tree/host/host-locks.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import { Deferred } from '../../src/tree/deferred.ts'
import type { LockClient, LockOwner, LockType } from '../../src/tree/locks.ts'
import { requestFrame } from '../support/frames.ts'
import { HostLocker } from '../support/host-locker.ts'
import { ManualTimers } from '../support/manual-timers.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'
import { TurnProbe } from '../support/turn-probe.ts'

/** The default limits: ranges of a client, and requests of a client that wait. */
const RANGES = 8192
const WAITING = 1024

/**
 * The most steps of one request: a search for a deadlock and a piece of work for others, and less than half
 * of it again for itself. 20,000 steps take one or two milliseconds.
 */
const REQUEST_STEPS = 50_000

const OFFSET_MAX = 2n ** 63n - 1n
const all = { start: 0n, end: OFFSET_MAX }

let path: string
let timers: ManualTimers
let table: LockTable
/** The most steps that a call of {@link counted} has taken. */
let most: number

beforeEach(() => {
  path = join(temporaryDirectory(), 'f')
  writeFileSync(path, '')
  timers = new ManualTimers()
  most = 0
  const self = openSync('/proc/self/fd', constants.O_DIRECTORY)
  afterwards(() => closeSync(self))
  table = new LockTable(new Descriptors(64, timers.later), self, false, timers.later)
})

function opened(openFlags = constants.O_RDWR): FileLocks {
  const fd = openSync(path, openFlags)
  afterwards(() => closeSync(fd))
  return new FileLocks(table, fd)
}

function client(mostRanges = RANGES): LockClient {
  return { most: mostRanges, held: 0, refusal: () => new Error('ENOLCK') }
}

function ownerOf(of: LockClient, procId = 1): LockOwner {
  return { client: of, procId, clientId: 'g' }
}

/** Does something, and notes how many steps it took. */
function counted<V>(act: () => V): V {
  const before = table.work.steps
  const result = act()
  most = Math.max(most, table.work.steps - before)
  return result
}

/** Locks bytes 0, 2, 4, …: ranges that never join. */
function hold(file: FileLocks, owner: (i: number) => LockOwner, type: LockType): void {
  let granted = 0
  for (let i = 0; i < RANGES; i++) {
    const at = BigInt(2 * i)
    const lock = { start: at, end: at, type, owner: owner(i) }
    if (counted(() => file.lock(lock, false)) === true) granted++
  }
  expect(granted).toBe(RANGES)
}

/** Requests that wait for the whole file, each of an owner of its own. */
function ask(file: FileLocks, of: LockClient, number: number, type: LockType = 'write'): string[] {
  const answers: string[] = []
  for (let i = 0; i < number; i++) {
    const lock = { ...all, type, owner: ownerOf(of, 100_000 + i) }
    const answer = counted(() => file.lock(lock, true))
    if (!(answer instanceof Deferred)) throw new Error('it does not wait')
    answer.wait((outcome) => answers.push(`${i} ${outcome.ok ? outcome.value : 'error'}`))
  }
  return answers
}

/** Lets the table finish what it does in pieces. @returns the number of pieces. */
function finish(): number {
  let pieces = 0
  for (; timers.waiting.includes(0); pieces++) counted(() => timers.fire(0))
  return pieces
}

describe('a client that holds as many ranges as it may', () => {
  it('sends 200 requests that wait, and each takes few steps', () => {
    const [mine, other] = [client(), client()]
    const file = opened()
    hold(file, (i) => ownerOf(mine, i), 'write')
    ask(file, mine, 100)
    ask(file, other, 100)
    expect(most).toBeLessThan(REQUEST_STEPS)
  })

  it('sends as many as may wait, of owners that hold ranges themselves', () => {
    const mine = client()
    const file = opened()
    hold(file, (i) => ownerOf(mine, i), 'read')
    for (let i = 0; i < WAITING; i++) {
      // Each waits for the next one, and so for all others: the longest chain there can be.
      const lock = { start: BigInt(2 * i + 2), end: BigInt(2 * i + 2), type: 'write' } as const
      const answer = counted(() => file.lock({ ...lock, owner: ownerOf(mine, i) }, true))
      expect(answer).toBeInstanceOf(Deferred)
    }
    expect(most).toBeLessThan(REQUEST_STEPS)
  })

  it('unlocks them one by one, while others wait', () => {
    const [mine, other] = [client(), client()]
    const file = opened()
    const owner = ownerOf(mine)
    hold(file, () => owner, 'write')
    const answers = ask(file, other, WAITING)
    for (let i = 0; i < 200; i++) {
      const at = BigInt(2 * i)
      counted(() => file.unlock({ start: at, end: at }, owner))
    }
    expect(answers).toEqual([])
    expect(most).toBeLessThan(REQUEST_STEPS)
    counted(() => file.unlock(all, owner))
    finish()
    expect(answers).toEqual(['0 true'])
    expect([mine.held, other.held]).toEqual([0, 1])
    // All of its ranges at once: this takes as many steps as to lock them one by one.
    expect(most).toBeLessThan(RANGES * 14)
  })

  it('unlocks a long range over all of them, which the host sees soon', async () => {
    const [mine, other] = [client(), client()]
    const file = opened()
    hold(file, () => ownerOf(mine), 'read')
    expect(file.lock({ ...all, type: 'read', owner: ownerOf(other) }, false)).toBe(true)
    counted(() => file.unlock(all, ownerOf(other)))
    const pieces = finish()
    expect(most).toBeLessThan(REQUEST_STEPS)
    // It took more than one piece: the host has to be told of 8,192 gaps.
    expect(pieces).toBeGreaterThan(100)
    await using host = await HostLocker.start(path)
    expect([
      await host.lock('write', 1, 1),
      await host.lock('write', 2 * RANGES - 3, 2 * RANGES - 3),
    ]).toEqual([true, true])
    expect([
      await host.lock('write', 0, 0),
      await host.lock('write', 2 * RANGES - 2, 2 * RANGES - 2),
    ]).toEqual([false, false])
  })

  it('locks one more to write, and all of them stay visible to the host', async () => {
    const mine = client(2 * RANGES)
    const reading = opened(constants.O_RDONLY)
    hold(reading, () => ownerOf(mine), 'read')
    const last = 2 * RANGES
    const wish = { start: BigInt(last), end: BigInt(last), type: 'write' } as const
    // The first write lock of the file: all locks have to be held by a descriptor that can hold it.
    const granted = counted(() => opened().lock({ ...wish, owner: ownerOf(mine) }, false))
    expect(granted).toBe(true)
    await using host = await HostLocker.start(path)
    const seen = async (byte: number): Promise<boolean[]> => [
      !(await host.lock('read', byte, byte)),
      !(await host.lock('write', byte, byte)),
    ]
    const visible = [await seen(0), await seen(8000), await seen(last)]
    expect(visible).toEqual([
      [false, true],
      [false, true],
      [true, true],
    ])
    finish()
    expect(await seen(8000)).toEqual([false, true])
    // What lies between them is free again.
    expect([await host.lock('write', 8001, 8001), await host.lock('write', 1, 1)]).toEqual([
      true,
      true,
    ])
    expect(most).toBeLessThan(4 * REQUEST_STEPS)
  })

  it('locks one more to write, while the host holds locks between them: ENOLCK, and nothing is lost', async () => {
    const mine = client(2 * RANGES)
    const reading = opened(constants.O_RDONLY)
    hold(reading, () => ownerOf(mine), 'read')
    await using host = await HostLocker.start(path)
    expect(await host.lock('write', 8001, 8001)).toBe(true)
    const wish = { start: 20_000n, end: 20_000n, type: 'write', owner: ownerOf(mine) } as const
    const writing = opened()
    const refused = expect.objectContaining({ errno: errno.ENOLCK })
    expect(() => counted(() => writing.lock(wish, false))).toThrow(refused)
    expect(await host.lock('write', 8000, 8000)).toBe(false)
    expect(await host.lock('none', 8001, 8001)).toBe(true)
    expect(writing.lock(wish, false)).toBe(true)
    expect(most).toBeLessThan(4 * REQUEST_STEPS)
  })

  it('closes all of its files, each of which holds one', () => {
    const mine = client()
    const open = Array.from({ length: 512 }, () => opened())
    hold(open[0]!, () => ownerOf(mine), 'read')
    for (const [i, file] of open.entries()) {
      const at = BigInt(16 * i)
      file.lock({ start: at, end: at, type: 'read', owner: ownerOf(mine) }, false)
    }
    const before = table.work.steps
    for (const file of open.slice(1)) file.close()
    // All of them together, since a session closes them one after the other.
    expect(table.work.steps - before).toBeLessThan(10 * REQUEST_STEPS)
    finish()
    counted(() => open[0]!.close())
    expect(mine.held).toBe(0)
    expect(timers.waiting).toEqual([])
  })

  it('waits for a program of the host, which is asked for some of the requests at a time', async () => {
    const mine = client(2 * RANGES)
    const file = opened()
    await using host = await HostLocker.start(path)
    expect(await host.lock('write', 100_000, 100_000)).toBe(true)
    hold(file, () => ownerOf(mine), 'read')
    const answers: string[] = []
    const wish = { start: 100_000n, end: 100_000n, type: 'read' } as const
    for (let i = 0; i < WAITING; i++) {
      const answer = counted(() => file.lock({ ...wish, owner: ownerOf(mine, i + 2) }, true))
      if (answer instanceof Deferred) answer.wait(({ ok }) => answers.push(`${i} ${ok}`))
    }
    for (let i = 0; i < 5; i++) counted(() => timers.fire(20))
    expect([answers, most < REQUEST_STEPS]).toEqual([[], true])
    expect(await host.lock('none', 100_000, 100_000)).toBe(true)
    for (let i = 0; answers.length < WAITING && i < WAITING; i++) {
      counted(() => timers.fire(20))
      finish()
    }
    expect(answers.length).toBe(WAITING)
    expect(most).toBeLessThan(REQUEST_STEPS)
  })
})

describe('a search for a deadlock that is given up', () => {
  /** Owners that wait for each other in one chain. */
  function chain(file: FileLocks, mine: LockClient, length: number): void {
    for (let i = 0; i < length; i++) {
      const at = BigInt(2 * i)
      file.lock({ start: at, end: at, type: 'write', owner: ownerOf(mine, i) }, false)
    }
    for (let i = 0; i < length - 1; i++) {
      const at = BigInt(2 * i + 2)
      file.lock({ start: at, end: at, type: 'write', owner: ownerOf(mine, i) }, true)
    }
  }

  const first = { start: 0n, end: 0n, type: 'write' } as const

  it('finds a circle of five hundred', () => {
    const mine = client()
    const file = opened()
    chain(file, mine, 500)
    const before = table.work.steps
    const refused = expect.objectContaining({ errno: errno.EDEADLK })
    expect(() => file.lock({ ...first, owner: ownerOf(mine, 499) }, true)).toThrow(refused)
    expect(table.work.steps - before).toBeLessThan(SEARCH_STEPS)
  })

  it('lets the request wait, and it is answered BLOCKED after a while', () => {
    const mine = client()
    const file = opened()
    chain(file, mine, 2 * WAITING)
    const before = table.work.steps
    const answer = file.lock({ ...first, owner: ownerOf(mine, 2 * WAITING - 1) }, true)
    const steps = table.work.steps - before
    expect(steps).toBeGreaterThan(SEARCH_STEPS)
    expect(steps).toBeLessThan(SEARCH_STEPS + 1000)
    if (!(answer instanceof Deferred)) throw new Error('it does not wait')
    const answers: unknown[] = []
    answer.wait((outcome) => answers.push(outcome))
    expect(answers).toEqual([])
    timers.fire(30_000)
    expect(answers).toEqual([{ ok: true, value: false }])
  })

  it('is no deadlock where there is none', () => {
    const mine = client()
    const file = opened()
    chain(file, mine, 2 * WAITING)
    // It waits for the first of the chain, and nobody waits for it.
    const before = table.work.steps
    expect(file.lock({ ...first, owner: ownerOf(mine, 99_999) }, true)).toBeInstanceOf(Deferred)
    expect(table.work.steps - before).toBeGreaterThan(SEARCH_STEPS)
  })
})

describe('a client that floods a server with requests for locks', () => {
  it('keeps another client waiting for one turn', () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'f'), '')
    const policy = { readOnly: false, owner: 'host', atime: 'preserve' } as const
    const probe = new TurnProbe((later) => {
      const tree = new HostTree(directory, policy, later)
      afterwards(() => tree.close())
      return tree
    })
    const attacker = probe.connect('attacker')
    const victim = probe.connect('victim')
    attacker.send(2, 'walk', { fid: 0, newfid: 1, names: ['f'] })
    attacker.send(3, 'lopen', { fid: 1, flags: flags.open.RDWR })
    const lock = (tag: number, at: number, procId: number, wait: number): Buffer =>
      requestFrame(tag, 'lock', {
        fid: 1,
        type: flags.lock.WRLCK,
        flags: wait,
        start: BigInt(at),
        length: at < 0 ? 0n : 1n,
        procId,
        clientId: 'g',
      })
    let granted = 0
    for (let i = 0; i < RANGES; i += 512) {
      attacker.sendRaw(Array.from({ length: 512 }, (_, j) => lock(10 + j, 2 * (i + j), i + j, 0)))
      probe.until(() => (granted += attacker.take().filter((tag) => tag >= 10).length) >= i + 512)
    }
    // Each look at the clock is a millisecond later than the one before: a turn has a few requests.
    probe.tick = 1
    attacker.sendRaw(
      Array.from({ length: 200 }, (_, i) => [
        lock(1000 + i, 2 * i, 50_000 + i, flags.lock.BLOCK),
        requestFrame(2000 + i, 'getattr', { fid: 0, mask: 0 }),
      ]).flat(),
    )
    for (let tag = 2; tag < 12; tag++) {
      victim.send(tag, 'getattr', { fid: 0, mask: 0 })
      probe.until(() => victim.take().includes(tag))
    }
    // Ten turns of the victim, in which the attacker had at most as many.
    const before = attacker.take().length
    expect(before).toBeGreaterThan(0)
    expect(before).toBeLessThan(60)
    probe.tick = 0
    let done = before
    probe.until(() => (done += attacker.take().length) >= 200)
  })
})
