import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../../src/sys/errno.ts'
import { limits, payloadBytes } from '../../../src/9p/index.ts'
import { FakeTree } from '../../support/fake-tree.ts'
import { requestFrame } from '../../support/frames.ts'
import type { Turn } from '../../../src/transport/event-loop.ts'
import { fieldsOf } from '../../support/session-probe.ts'
import { byteByByte, linux, scattered } from '../../support/vhost-user/layouts.ts'
import { type Given, QueueProbe } from '../../support/vhost-user/queue-probe.ts'
import { afterwards } from '../../support/temporary.ts'
import type { QueueOptions } from '../../support/vhost-user/driver-queue.ts'

let tree: FakeTree

beforeEach(() => {
  tree = new FakeTree()
})

/** A queue whose session has fid 0, the root, and fid 1, a file whose reads wait. */
function made(options: Partial<QueueOptions> = {}): QueueProbe {
  const probe = new QueueProbe(tree, options)
  afterwards(() => probe[Symbol.dispose]())
  return probe.attach().open(1, 'slow')
}

/** The text of an Rread. */
function textOf({ frame }: Given): string {
  const reply = { type: frame[4]!, tag: frame.readUInt16LE(5), frame }
  return payloadBytes(fieldsOf('read', reply).data).toString()
}

const read = { fid: 1, offset: 0, count: 100 }
const getattr = { fid: 0, mask: 0 }

describe('a request that waits', () => {
  it('is answered when its answer comes, with a notification of its own', () => {
    const probe = made()
    const head = probe.send(5, 'read', read)
    probe.send(6, 'getattr', getattr)
    probe.queue.poll()
    expect(probe.take().map(({ frame }) => frame.readUInt16LE(5))).toEqual([6])
    probe.driver.listen()
    probe.signals = 0
    tree.parked[0]!.resolve(Buffer.from('at last'))
    expect(probe.signals).toBe(1)
    const [given, ...more] = probe.take()
    expect([given!.head, textOf(given!), more]).toEqual([head, 'at last', []])
  })

  it.each([
    ['before the pause', 'before'],
    ['while the machine is paused', 'during'],
    ['after it goes on', 'after'],
  ])('is answered once after a pause, where its answer comes %s', (_when, when) => {
    for (const layout of [linux, scattered, byteByByte]) {
      const probe = made()
      probe.layout = layout
      const head = probe.send(5, 'read', read)
      probe.queue.poll()
      const answer = (): void => tree.parked.pop()!.resolve(Buffer.from('at last'))
      probe.driver.listen()
      if (when === 'before') answer()
      const next = probe.stop()
      if (when === 'during') answer()
      probe.signals = 0
      probe.start(next)
      if (when === 'after') answer()
      expect(probe.signals).toBe(when === 'before' ? 0 : 1)
      const [given, ...more] = probe.take()
      expect([given!.head, textOf(given!), more]).toEqual([head, 'at last', []])
      // The session goes on as well.
      expect(probe.call('getattr', getattr)).toBeDefined()
      expect(probe.log).toEqual([])
    }
  })

  it('is one of many that go on after a pause, and each has its own answer', () => {
    const probe = made()
    const heads = [...Array(40).keys()].map((tag) => probe.send(tag, 'read', read))
    probe.queue.poll()
    const answer = (index: number): void =>
      tree.parked[index]!.resolve(Buffer.from(`the answer to ${index}`))
    for (let i = 0; i < 40; i += 4) answer(i)
    const next = probe.stop()
    for (let i = 1; i < 40; i += 4) answer(i)
    probe.start(next)
    for (let i = 2; i < 40; i += 4) answer(i)
    for (let i = 3; i < 40; i += 4) answer(i)
    const given = probe.take()
    expect(given.length).toBe(40)
    for (const each of given) {
      expect(textOf(each)).toBe(`the answer to ${heads.indexOf(each.head)}`)
    }
  })

  it('is carried out again by another device, which goes on from what this one has saved', () => {
    const probe = made()
    const heads = [probe.send(5, 'read', read), probe.send(6, 'read', read)]
    probe.queue.poll()
    const next = probe.stop()
    // One is answered while nobody may write into the guest's memory.
    tree.parked.shift()!.resolve(Buffer.from('too late'))
    const saved = probe.queue.save()
    expect(saved.waiting).toEqual(heads)

    probe.replaceQueue()
    tree.parked.length = 0
    probe.queue.restore(JSON.parse(JSON.stringify(saved)) as typeof saved)
    probe.start(next)
    expect(tree.parked.length).toBe(2)
    for (const parked of tree.parked) parked.resolve(Buffer.from('at last'))
    expect(probe.take().map((given) => [given.head, textOf(given)])).toEqual(
      heads.map((head) => [head, 'at last']),
    )
  })

  it.each([[128], [99_999]])('stops the device if what was saved is no chain: %i', (head) => {
    const probe = made()
    const next = probe.stop()
    probe.replaceQueue()
    probe.queue.restore({ waiting: [head] })
    probe.start(next)
    expect(probe.log.at(-1)).toBe(`the device has stopped: a saved chain that begins at ${head}`)
  })

  it('that is flushed comes back unused, before the answer to the flush', () => {
    const probe = made()
    const head = probe.send(5, 'read', read)
    const flush = probe.send(6, 'flush', { oldtag: 5 })
    probe.queue.poll()
    const given = probe.take()
    expect(given.map((each) => [each.head, each.length])).toEqual([
      [head, 0],
      [flush, 7],
    ])
    expect(tree.cancelled).toBe(1)
    tree.parked[0]!.resolve(Buffer.from('too late'))
    expect(probe.take()).toEqual([])
  })

  it('comes back unused when a new session begins', () => {
    const probe = made()
    const head = probe.send(5, 'read', read)
    probe.send(limits.NOTAG, 'version', { msize: 8192, version: limits.VERSION })
    probe.queue.poll()
    expect(probe.take().map((each) => [each.head, each.length])).toEqual([
      [head, 0],
      [expect.any(Number), 21],
    ])
  })

  it('stops only its device if its chain has become invalid during a pause', () => {
    const probe = made({ indirect: false })
    const head = probe.send(5, 'read', read)
    probe.queue.poll()
    const next = probe.stop()
    const { driver } = probe
    driver.describe(driver.descriptors, head, { address: 0, length: 1, flags: 1, next: 0xffff })
    probe.start(next)
    expect(probe.log).toEqual([
      'the device has stopped: a chain that goes on at 65535 in a table of 128',
    ])
    expect([tree.cancelled, tree.uses, tree.openFiles]).toEqual([1, 0, 0])
    expect(probe.queue.poll()).toBe(false)
  })

  it('stops only its device if the driver cannot be notified', () => {
    const probe = made()
    probe.send(5, 'read', read)
    probe.queue.poll()
    probe.driver.listen()
    probe.signalError = new Error('write: EBADF')
    // The cause of the answer may be another guest that unlocks a file. That guest must not be affected.
    tree.parked[0]!.resolve(Buffer.from('at last'))
    expect(probe.log).toEqual(['the device has stopped: write: EBADF'])
    expect([tree.uses, tree.openFiles]).toEqual([0, 0])
  })
})

describe('another driver', () => {
  it('finds nothing of the one before', () => {
    const probe = made()
    probe.send(5, 'read', read)
    probe.queue.poll()
    probe.stop()
    probe.driver.availableWords.fill(0)
    probe.driver.usedWords.fill(0)
    probe.start(0)
    expect([tree.cancelled, tree.uses, tree.openFiles]).toEqual([1, 0, 0])
    tree.parked[0]!.resolve(Buffer.from('too late'))
    expect(probe.driver.usedWords[1]).toBe(0)
    expect(probe.log).toEqual([])
  })

  it('finds nothing of it either if its ring has the same place and index', () => {
    // Another 65,536 requests, and the indices are what they are in a new ring.
    const probe = made({ start: 0x10000 - 5 })
    probe.send(5, 'read', read)
    probe.queue.poll()
    expect(probe.stop()).toBe(0)
    probe.driver.availableWords.fill(0)
    probe.driver.usedWords.fill(0)
    probe.start(0)
    expect([tree.cancelled, tree.uses, tree.openFiles]).toEqual([1, 0, 0])
    tree.parked[0]!.resolve(Buffer.from('too late'))
    expect(probe.driver.usedWords[1]).toBe(0)
  })
})

describe('a device that has stopped', () => {
  it('has given back all that its driver held', () => {
    const probe = made()
    probe.send(5, 'read', read)
    probe.queue.poll()
    probe.driver.offer(9999)
    probe.queue.poll()
    expect(probe.log).toEqual([
      'the device has stopped: a chain that begins at 9999 in a table of 128',
    ])
    expect([tree.cancelled, tree.uses, tree.openFiles]).toEqual([1, 0, 0])
    tree.parked[0]!.resolve(Buffer.from('too late'))
    expect(probe.queue.poll()).toBe(false)
    expect(probe.queue.enableNotifications()).toBe(false)
  })
})

describe('indices', () => {
  it('begin anew after 65,536 requests, in a queue of any size', () => {
    for (const size of [1, 4, 1024]) {
      const probe = made({ size, start: 0xffff - 20 })
      for (let i = 0; i < 60; i++) probe.call('getattr', getattr)
      expect([probe.driver.index, probe.driver.usedWords[1]]).toEqual([43, 43])
      expect(probe.log).toEqual([])
    }
  })

  it('begin anew with a full queue', () => {
    const probe = made({ size: 16, start: 0xfff0 })
    for (let round = 0; round < 4; round++) {
      for (let tag = 0; tag < 16; tag++) probe.send(tag, 'getattr', getattr)
      expect(() => probe.send(16, 'getattr', getattr)).toThrow('the queue is full')
      probe.queue.poll()
      expect(probe.take().map(({ frame }) => frame.readUInt16LE(5))).toEqual([...Array(16).keys()])
    }
  })
})

describe('notifications', () => {
  /** Sends so many at once, and returns how often the driver was woken for them. */
  function signalsFor(probe: QueueProbe, count: number): number {
    probe.signals = 0
    for (let tag = 0; tag < count; tag++) probe.send(tag, 'getattr', getattr)
    probe.queue.poll()
    expect(probe.take().length).toBe(count)
    return probe.signals
  }

  it.each([1, 7, 8, 9, 40])('with event indices, one for %i at once', (count) => {
    const probe = made()
    probe.driver.listen()
    expect(signalsFor(probe, count)).toBe(1)
    // The driver has not asked for one since.
    expect(signalsFor(probe, count)).toBe(0)
    probe.driver.listen()
    expect(signalsFor(probe, count)).toBe(1)
  })

  it('with event indices, when as many are there as the driver wants', () => {
    const probe = made()
    for (const [after, count, signals] of [
      [0, 1, 1],
      [1, 1, 0],
      [19, 19, 0],
      [19, 20, 1],
      [19, 40, 1],
    ] as const) {
      probe.driver.listen(after)
      expect([after, count, signalsFor(probe, count)]).toEqual([after, count, signals])
    }
  })

  it('with event indices, across the end of the numbers', () => {
    const probe = made({ start: 0xffff - 10 })
    for (let i = 0; i < 30; i++) {
      probe.driver.listen(1)
      expect([i, signalsFor(probe, 1)]).toEqual([i, 0])
      expect([i, signalsFor(probe, 1)]).toEqual([i, 1])
    }
  })

  it.each([
    [1, 1],
    [8, 1],
    [9, 2],
    [40, 5],
  ])('with flags, for %i at once as many as there are eights: %i', (count, signals) => {
    const probe = made({ eventIndex: false })
    expect(signalsFor(probe, count)).toBe(signals)
    probe.driver.stopListening()
    expect(signalsFor(probe, count)).toBe(0)
    probe.driver.listen()
    expect(signalsFor(probe, count)).toBe(signals)
  })

  it('of the driver are asked for before sleep, and not otherwise', () => {
    for (const eventIndex of [true, false]) {
      const probe = made({ eventIndex })
      const { driver } = probe
      probe.queue.disableNotifications()
      driver.mustKick()
      expect(probe.queue.enableNotifications()).toBe(false)
      probe.send(1, 'getattr', getattr)
      expect(driver.mustKick()).toBe(true)
      probe.queue.disableNotifications()
      probe.send(2, 'getattr', getattr)
      expect(driver.mustKick()).toBe(false)
      // What came before it has asked is told by itself.
      expect(probe.queue.enableNotifications()).toBe(true)
      probe.queue.poll()
      expect(probe.queue.enableNotifications()).toBe(false)
      probe.send(3, 'getattr', getattr)
      expect(driver.mustKick()).toBe(true)
    }
  })
})

describe('a turn', () => {
  /** A turn of `requests` requests. */
  function turnOf(requests: number): Turn {
    let asked = 0
    return {
      get isOver() {
        return ++asked >= requests
      },
    }
  }

  it('ends, however much there is: others have theirs', () => {
    const probe = made()
    for (let tag = 0; tag < 128; tag++) probe.send(tag, 'getattr', getattr)
    expect(probe.queue.poll(turnOf(50))).toBe(true)
    expect(probe.take().length).toBe(50)
    expect(probe.queue.poll(turnOf(1))).toBe(true)
    expect(probe.take().length).toBe(1)
    expect(probe.queue.poll(turnOf(1000))).toBe(true)
    expect(probe.take().length).toBe(77)
    expect(probe.queue.poll(turnOf(1))).toBe(false)
  })

  it('that is over leaves no answer without its notification', () => {
    const probe = made()
    for (let tag = 0; tag < 3; tag++) probe.send(tag, 'getattr', getattr)
    probe.driver.listen()
    probe.signals = 0
    probe.queue.poll(turnOf(1))
    expect([probe.signals, probe.take().length]).toEqual([1, 1])
  })
})

describe('an answer', () => {
  it('is an error where there is no room for more', () => {
    const probe = made()
    const { driver, ram, heap } = probe
    const ask = (frame: Buffer, room: number): Buffer => {
      const address = heap.need(frame.length)
      ram.bytes(address, frame.length).set(frame)
      const into = heap.need(100)
      driver.add([
        { address, length: frame.length, isWritable: false },
        { address: into, length: room, isWritable: true },
      ])
      probe.queue.poll()
      return Buffer.from(ram.bytes(into, driver.take()!.length))
    }
    // An Rwalk of no names has 9 bytes; an Rlerror 11.
    const walk = requestFrame(9, 'walk', { fid: 0, newfid: 7, names: [] })
    expect([...ask(walk, 11)]).toEqual([9, 0, 0, 0, 111, 9, 0, 0, 0])
    expect(probe.log).toEqual([])
    // An errno that the tree has is that errno, however little room there is.
    const missing = requestFrame(9, 'walk', { fid: 0, newfid: 8, names: ['missing'] })
    expect([...ask(missing, 11)]).toEqual([11, 0, 0, 0, 7, 9, 0, errno.ENOENT, 0, 0, 0])
    expect(probe.log).toEqual([])
    const getattrFrame = requestFrame(9, 'getattr', getattr)
    expect([...ask(getattrFrame, 50)]).toEqual([11, 0, 0, 0, 7, 9, 0, errno.EMSGSIZE, 0, 0, 0])
    expect(probe.log).toEqual([
      'left 50 bytes for the answer to Tgetattr, too few: it is EMSGSIZE instead',
    ])
  })

  it('to a read is as long as the room that there is for it', () => {
    for (const layout of [linux, byteByByte]) {
      const probe = made().open(2, 'big')
      probe.layout = (ram, heap, frame) => layout(ram, heap, frame, 100)
      expect(payloadBytes(probe.call('read', { fid: 2, offset: 0, count: 5000 }).data).length).toBe(
        100 - 11,
      )
    }
  })
})
