import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import type { MessageName } from '../../src/fuse/wire/messages.ts'
import { Loop } from '../../src/server/loop.ts'
import type { Watched } from '../../src/transport/event-loop.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import { sharePolicy } from '../support/directory-server.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { entriesIn, plusEntriesIn } from '../support/fuse/directory-entries.ts'
import { requestBytes } from '../support/fuse/requests.ts'
import { ManualTimers } from '../support/manual-timers.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'
import { FsMachine } from '../support/vhost-user/fs-machine.ts'
import type { TestedLoop } from '../support/vhost-user/many-queues.ts'

/** How long others may be kept waiting, in milliseconds of the server's work. */
const MOST_MS = 50

/** The queues of a file system device: that of high priority and 32 for requests. */
const QUEUES = 33

/** The loop of a serving process, with a clock of the test's. A turn is one round. */
class ClockedLoop implements TestedLoop {
  /** The time, in milliseconds of the server's work. */
  now = 0
  readonly loop = new Loop(() => this.now)

  add(watched: Watched): void {
    this.loop.add(watched)
  }

  remove(watched: Watched): void {
    this.loop.remove(watched)
  }

  changed(watched: Watched): void {
    this.loop.changed(watched)
  }

  turn(): void {
    // A timer that is due at once: the loop does not sleep.
    this.loop.later(0, () => this.loop.stop())
    this.loop.run()
  }
}

let tree: FakeTree
let clock: ClockedLoop
/** What each STATFS takes, in milliseconds. */
let cost: number
/** When the last GETATTR was carried out. */
let answered: number
let attacker: FsMachine
let victim: FsMachine

beforeEach(() => {
  tree = new FakeTree()
  clock = new ClockedLoop()
  cost = 0
  tree.root.statfs = () => {
    clock.now += cost
    const counts = { blocks: 0n, bfree: 0n, bavail: 0n, files: 0n, ffree: 0n, fsid: 0n }
    return { bsize: 0, namelen: 0, ...counts }
  }
  tree.root.getattr = () => void (answered = clock.now)
  attacker = machine(QUEUES)
  victim = machine(2)
})

function machine(queues: number): FsMachine {
  const made = new FsMachine(tree, { queues, loop: clock }).begin()
  afterwards(() => made[Symbol.dispose]())
  return made
}

/** How long the victim waits for one answer. */
function wait(): number {
  const start = clock.now
  victim.machine.offer(1, requestBytes(victim.unique(), 'getattr', {}), 200)
  victim.machine.kick(1)
  for (let round = 0; victim.machine.take(1).length === 0; round++) {
    if (round > 1000) throw new Error('the victim is not answered')
    clock.turn()
  }
  return answered - start
}

/** Fills all queues of the attacker with requests of this kind, and notifies the device in each of them. */
function flood(name: MessageName): void {
  for (let index = 0; index < QUEUES; index++) {
    const request = requestBytes(attacker.unique(), name, {})
    for (let i = 0; i < 20; i++) attacker.machine.offer(index, request, 200)
    attacker.machine.kick(index)
  }
}

describe('a driver with as many queues as there are, and requests in all of them', () => {
  it.each([0.01, 1, 20, 40])(
    'keeps another one waiting for one turn, if a request takes %f ms',
    (milliseconds) => {
      cost = milliseconds
      flood('statfs')
      for (let i = 0; i < 5; i++) expect(wait()).toBeLessThan(MOST_MS)
      // Nothing of the attacker's is lost by it.
      let replies = 0
      for (let round = 0; replies < QUEUES * 20 && round < 10_000; round++) {
        clock.turn()
        for (let index = 0; index < QUEUES; index++) replies += attacker.machine.take(index).length
      }
      expect(replies).toBe(QUEUES * 20)
    },
  )
})

describe('one request for very much', () => {
  /** More entries than a reply of a mebibyte has room for. */
  const ENTRIES = 40_000

  it('reads some hundreds of entries of a directory, with what they are, and those behind them are asked for', () => {
    for (let i = 0; i < ENTRIES; i++)
      tree.root.add(
        `entry-${i}`,
        tree.file(`entry-${i}`, () => 0),
      )
    const { fh } = attacker.call('opendir')
    tree.calls.length = 0
    const { data } = attacker.call('readdirplus', { fh, size: 1 << 20 })
    const first = plusEntriesIn(data)
    const looked = tree.calls.filter((call) => call.startsWith('lookup')).length
    expect(looked).toBeGreaterThan(100)
    expect(looked).toBeLessThan(500)
    const names = attacker.call('readdir', { fh, size: 1 << 20 }).data
    expect(entriesIn(names).length).toBeLessThan(2500)
    const offset = first.at(-1)!.cookie
    const next = plusEntriesIn(attacker.call('readdirplus', { fh, size: 1 << 20, offset }).data)
    expect(next[0]!.cookie).toBe(offset + 1n)
  })

  it('copies 16 MiB, and the rest is asked for', () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'from'), Buffer.alloc(17 << 20, 'x'))
    writeFileSync(join(directory, 'to'), '')
    const host = new HostTree(directory, sharePolicy, new ManualTimers().later)
    afterwards(() => host.close())
    using copier = new FsMachine(host).begin()
    const [from, to] = [copier.open('from'), copier.open('to')]
    const request = { fh: from.fh, fhOut: to.fh, length: 2 ** 53 }
    const { size } = copier.call('copyFileRange', request, { nodeid: from.nodeid })
    expect(size).toBe(16 << 20)
    const rest = { ...request, offset: size, offsetOut: size }
    expect(copier.call('copyFileRange', rest, { nodeid: from.nodeid }).size).toBe(1 << 20)
  })

  it('forgets no more nodes than fit into it, which are some thousands', () => {
    const nodes = Array.from({ length: 8200 }, (_, i) => ({ nodeid: i + 2, count: 1 }))
    attacker.machine.send(0, requestBytes(9, 'batchForget', { nodes }), 0)
    const [line] = attacker.said
    expect(line).toMatch(/^the device has stopped: protocol error FRAME_TOO_LARGE: a request of /)
  })
})

describe('a client with very many nodes', () => {
  const NODES = 20_000

  it.each(['DESTROY', 'INIT', 'a reset of its device', 'its end'])(
    'has them released in pieces, by %s',
    (how) => {
      const timers = new ManualTimers()
      for (let i = 0; i < NODES; i++)
        tree.root.add(
          `${i}`,
          tree.file(`${i}`, () => 0),
        )
      const before = tree.uses
      const many = new FsMachine(tree, { later: timers.later, loop: clock }).begin()
      const listing = many.call('opendir').fh
      for (let offset = 0n, more = true; more;) {
        const { data } = many.call('readdirplus', { fh: listing, size: 1 << 20, offset })
        const entries = plusEntriesIn(data)
        offset = entries.at(-1)?.cookie ?? offset
        more = entries.length > 0
      }
      const held = tree.uses
      if (how === 'DESTROY') many.call('destroy')
      else if (how === 'INIT') many.begin()
      else if (how === 'a reset of its device') many.restart()
      many[Symbol.dispose]()
      const pieces: number[] = []
      while (timers.waiting.includes(0)) {
        const uses = tree.uses
        timers.fire(0)
        pieces.push(uses - tree.uses)
      }
      expect(held - before).toBeGreaterThan(NODES)
      expect(Math.max(...pieces)).toBeLessThanOrEqual(1001)
      expect(pieces.length).toBeGreaterThan(18)
      expect([tree.uses, tree.faults]).toEqual([before, []])
    },
  )

  it('begins a session of its own at once, while those of the one before are released', () => {
    const timers = new ManualTimers()
    const names = Array.from({ length: 3000 }, (_, i) => `${i}`)
    for (const name of names)
      tree.root.add(
        name,
        tree.file(name, () => 0),
      )
    using many = new FsMachine(tree, { later: timers.later, loop: clock }).begin()
    const first = names.map((name) => many.find(name))
    many.restart().begin()
    const second = names.map((name) => many.find(name))
    expect(new Set([...first, ...second]).size).toBe(6000)
    while (timers.waiting.includes(0)) timers.fire(0)
    expect(second.map((nodeid) => many.errnoOf('getattr', {}, { nodeid }))).toEqual(
      second.map(() => 0),
    )
    expect(tree.faults).toEqual([])
  })
})
