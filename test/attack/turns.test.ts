import { beforeEach, describe, expect, it } from 'vitest'
import { limits, type MessageName, type T } from '../../src/9p/index.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { requestFrame } from '../support/frames.ts'
import { type TurnClient, TurnProbe } from '../support/turn-probe.ts'

/** How long others may be kept waiting, in milliseconds of the server's work. */
const MOST_MS = 50

/** Requests of a client that fit into a socket's buffer and an inbox together. */
const MANY = 1000

let tree: FakeTree
let probe: TurnProbe
/** What each request of the attackers takes, in milliseconds. */
let cost: number
/** When each request was carried out that is not an attacker's. */
let answered: number[]

beforeEach(() => {
  tree = new FakeTree()
  cost = 0
  answered = []
  tree.root.statfs = () => {
    probe.now += cost
    const counts = { blocks: 0n, bfree: 0n, bavail: 0n, files: 0n, ffree: 0n, fsid: 0n }
    return { bsize: 0, namelen: 0, ...counts }
  }
  tree.root.getattr = () => void answered.push(probe.now)
  probe = new TurnProbe(() => tree)
})

function flood<M extends MessageName>(client: TurnClient, name: M, fields: T<M>): void {
  const frames = Array.from({ length: MANY }, (_, tag) => requestFrame(tag, name, fields))
  client.sendRaw(frames)
}

describe('clients that ask for very much at once', () => {
  it.each([0.01, 1, 20, 40])(
    'keep another one waiting for one turn, if a request takes %f ms',
    (milliseconds) => {
      const attacker = probe.connect('attacker')
      const victim = probe.connect('victim')
      cost = milliseconds
      flood(attacker, 'statfs', { fid: 0 })
      for (let tag = 2; tag < 5; tag++) {
        const start = probe.now
        victim.send(tag, 'getattr', { fid: 0, mask: 0 })
        probe.until(() => victim.take().includes(tag))
        expect(answered.at(-1)! - start).toBeLessThan(MOST_MS)
      }
      expect(probe.longestRound).toBeLessThan(MOST_MS)
      // Nothing of the attacker's is lost by it.
      const tags: number[] = []
      probe.until(() => tags.push(...attacker.take()) >= MANY)
      expect(tags).toEqual(Array.from({ length: MANY }, (_, tag) => tag))
    },
  )

  it('share a round, so that 63 of them keep another one waiting no longer than one', () => {
    const attackers = Array.from({ length: 63 }, (_, i) => probe.connect(`attacker ${i}`))
    const victim = probe.connect('victim')
    cost = 0.05
    for (const attacker of attackers) flood(attacker, 'statfs', { fid: 0 })
    for (let tag = 2; tag < 5; tag++) {
      const start = probe.now
      victim.send(tag, 'getattr', { fid: 0, mask: 0 })
      probe.until(() => victim.take().includes(tag))
      expect(answered.at(-1)! - start).toBeLessThan(MOST_MS)
    }
    expect(probe.longestRound).toBeLessThan(MOST_MS)
    // And each of them has its turns.
    expect(attackers.map((attacker) => attacker.take().length > 0)).toEqual(
      attackers.map(() => true),
    )
  })

  it('and then leave wait for their turn like others, and nothing of them is left', () => {
    const attacker = probe.connect('attacker')
    const victim = probe.connect('victim')
    cost = 4
    flood(attacker, 'statfs', { fid: 0 })
    attacker.close()
    victim.send(2, 'getattr', { fid: 0, mask: 0 })
    probe.until(() => victim.take().includes(2))
    expect(answered[0]).toBeLessThan(MOST_MS)
    probe.until(() => tree.uses === 1)
    expect(tree.faults).toEqual([])
  })
})

describe('timers that are all due at once', () => {
  it('keep a client waiting for one turn, and run in their order', () => {
    const victim = probe.connect('victim')
    const done: number[] = []
    for (let i = 0; i < 65_536; i++) {
      probe.loop.later(0, () => {
        probe.now += 0.1
        done.push(i)
        // When their turn has begun.
        if (i === 0) victim.send(2, 'getattr', { fid: 0, mask: 0 })
      })
    }
    // The timer that ends a round has its turn after the others, so here the loop ends with them.
    probe.until(() => done.length === 65_536)
    expect(victim.take()).toEqual([2])
    expect(answered[0]).toBeLessThan(MOST_MS)
    expect(done).toEqual(Array.from({ length: 65_536 }, (_, i) => i))
  })

  it('may be cancelled in any number', () => {
    let runs = 0
    const cancels = Array.from({ length: 65_536 }, () => probe.loop.later(60_000, () => runs++))
    for (const cancel of cancels) cancel()
    probe.until(() => true)
    expect(runs).toBe(0)
  })
})

describe('a client that is not read from', () => {
  it('does not keep the loop busy, and its requests stay bounded', () => {
    const attacker = probe.connect('attacker')
    const victim = probe.connect('victim')
    attacker.send(2, 'walk', { fid: 0, newfid: 1, names: ['big'] })
    attacker.send(3, 'lopen', { fid: 1, flags: 0 })
    const reads = Array.from({ length: MANY }, (_, tag) =>
      requestFrame(tag + 4, 'read', { fid: 1, offset: 0, count: 8000 }),
    )
    attacker.sendRaw(reads)
    victim.send(2, 'getattr', { fid: 0, mask: 0 })
    probe.until(() => victim.take().includes(2))
    const before = tree.calls.length
    for (let i = 0; i < 10; i++) probe.until(() => true)
    // Its socket is full: no more reads are carried out.
    expect(tree.calls.length).toBe(before)
    const tags: number[] = []
    probe.until(() => tags.push(...attacker.take()) >= MANY + 2)
    expect(tags.length).toBe(MANY + 2)
    expect(limits.NOTAG).toBeGreaterThan(MANY)
  })
})
