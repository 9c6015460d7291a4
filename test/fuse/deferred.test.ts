import { beforeEach, describe, expect, it } from 'vitest'
import { ErrnoError, errno } from '../../src/sys/errno.ts'
import { payloadBytes } from '../../src/sys/memory.ts'
import { Deferred } from '../../src/tree/deferred.ts'
import type { R } from '../../src/fuse/wire/messages.ts'
import { TryAgain } from '../../src/tree/try-again.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { FuseProbe, type ProbeOptions } from '../support/fuse/fuse-probe.ts'
import { linuxInit } from '../support/fuse/requests.ts'
import { ManualTimers } from '../support/manual-timers.ts'

let tree: FakeTree
let probe: FuseProbe
let fh: number

function begin(options: ProbeOptions = {}): void {
  probe = new FuseProbe(tree, options)
  fh = probe.open(probe.node('slow'))
}

beforeEach(() => {
  tree = new FakeTree()
  begin()
})

function readSlowly(unique: number, size = 100): void {
  probe.send(unique, 'read', { fh, size })
}

/** What has been answered to READs: a text, or an errno. */
function answers(): [unique: number, answer: string | number][] {
  return probe.taken('read').map(({ unique, reply }) => {
    return [unique, typeof reply === 'number' ? reply : payloadBytes(reply.data).toString()]
  })
}

describe('a reply that comes later', () => {
  it('does not delay other requests, and brings its own bytes', () => {
    readSlowly(1)
    readSlowly(2)
    probe.call('getattr')
    tree.parked[1]!.resolve(Buffer.from('second'))
    tree.parked[0]!.resolve(Buffer.from('first'))
    expect(answers()).toEqual([
      [2, 'second'],
      [1, 'first'],
    ])
  })

  it('is cut to what was asked for', () => {
    readSlowly(1, 3)
    tree.parked[0]!.resolve(Buffer.alloc(20_000, 'x'))
    expect(answers()).toEqual([[1, 'xxx']])
  })

  it('may be a failure', () => {
    readSlowly(1)
    readSlowly(2)
    tree.parked[0]!.reject(new ErrnoError(errno.ENOSPC, 'read'))
    tree.parked[1]!.reject(new TypeError('a mistake'))
    expect(answers()).toEqual([
      [1, errno.ENOSPC],
      [2, errno.EIO],
    ])
    expect(probe.log).toEqual([expect.stringContaining('a mistake')])
  })

  it('comes once', () => {
    readSlowly(1)
    tree.parked[0]!.resolve(Buffer.from('once'))
    tree.parked[0]!.resolve(Buffer.from('twice'))
    tree.parked[0]!.reject(new Error('no'))
    probe.tell('interrupt', { unique: 1 })
    expect(answers()).toEqual([[1, 'once']])
  })

  it('waits for its turn when it becomes ready while another is being made', () => {
    readSlowly(1)
    readSlowly(2)
    tree.root.add(
      'waker',
      tree.file('waker', (_offset, { memory, offset }) => {
        tree.parked[0]!.resolve(Buffer.from('first'))
        tree.parked[1]!.resolve(Buffer.from('second'))
        return memory.bytes.write('woke two', offset)
      }),
    )
    const waker = probe.open(probe.node('waker'))
    probe.send(3, 'read', { fh: waker, size: 100 })
    expect(answers()).toEqual([
      [3, 'woke two'],
      [1, 'first'],
      [2, 'second'],
    ])
  })

  it('may be there already when it is returned', () => {
    const ready = new Deferred<Uint8Array>()
    ready.resolve(Buffer.from('early'))
    tree.root.children.get('slow')!.read = () => ready
    readSlowly(1)
    expect(answers()).toEqual([[1, 'early']])
  })

  it('holds its number: the same number again stops the device', () => {
    readSlowly(1)
    expect(() => probe.send(1, 'getattr', {})).toThrow(
      expect.objectContaining({ code: 'DUPLICATE_TAG' }),
    )
    expect(() => probe.send(1, 'forget', { count: 1 })).toThrow(
      expect.objectContaining({ code: 'DUPLICATE_TAG' }),
    )
  })

  it('outlives the handle and the node that it was asked through', () => {
    readSlowly(1)
    probe.call('release', { fh })
    probe.tell('forget', { count: 1 }, probe.session.nodes.last)
    tree.parked[0]!.resolve(Buffer.from('still'))
    expect([answers(), tree.faults]).toEqual([[[1, 'still']], []])
  })

  it('beyond the limit of requests that wait is ENOMEM, or ENOLCK for a lock', () => {
    begin({ limits: { parked: 1 } })
    const file = probe.open(probe.node('file'))
    readSlowly(1)
    expect(probe.errnoOf('read', { fh, size: 1 })).toBe(errno.ENOMEM)
    expect(tree.cancelled).toBe(1)
    expect(probe.errnoOf('setlkw', { fh: file, type: 1 })).toBe(errno.ENOLCK)
    expect(tree.lockWaits).toEqual([])
    tree.parked[0]!.resolve(Buffer.from('x'))
    readSlowly(2)
    expect([answers(), tree.parked.length]).toEqual([[[1, 'x']], 3])
  })
})

describe('INTERRUPT', () => {
  it('ends a wait with EINTR', () => {
    readSlowly(1)
    readSlowly(2)
    probe.tell('interrupt', { unique: 1 })
    expect([answers(), tree.cancelled]).toEqual([[[1, errno.EINTR]], 1])
    tree.parked[0]!.resolve(Buffer.from('late'))
    tree.parked[1]!.resolve(Buffer.from('second'))
    expect(answers()).toEqual([[2, 'second']])
  })

  it('of nothing, of what was answered, and of itself does nothing', () => {
    readSlowly(1)
    tree.parked[0]!.resolve(Buffer.from('x'))
    for (const unique of [1, 0, 4711, 2 ** 53, 2 ** 64]) probe.tell('interrupt', { unique })
    probe.send(6, 'interrupt', { unique: 6 })
    expect(answers()).toEqual([[1, 'x']])
    expect(probe.log).toEqual([])
  })

  it('is obeyed also when others are settled by it', () => {
    readSlowly(1)
    readSlowly(2)
    tree.onCancel = () => tree.parked[1]!.resolve(Buffer.from('woken'))
    probe.tell('interrupt', { unique: 1 })
    expect(answers()).toEqual([
      [2, 'woken'],
      [1, errno.EINTR],
    ])
  })

  it('frees the number', () => {
    readSlowly(1)
    probe.tell('interrupt', { unique: 1 })
    readSlowly(1)
    tree.parked[1]!.resolve(Buffer.from('again'))
    expect(answers()).toEqual([
      [1, errno.EINTR],
      [1, 'again'],
    ])
  })
})

describe('the end of a session', () => {
  it.each([
    ['close', () => probe.session.close()],
    ['DESTROY', () => probe.call('destroy')],
    ['INIT', () => probe.call('init', linuxInit)],
  ])('by %s cancels all that waits, and answers none of it', (_name, end) => {
    for (let unique = 1; unique <= 5; unique++) readSlowly(unique)
    const { forgotten } = probe.channel
    end()
    expect([tree.cancelled, probe.channel.forgotten - forgotten]).toEqual([5, 5])
    for (const parked of tree.parked) parked.resolve(Buffer.from('late'))
    expect(answers()).toEqual([])
    probe.session.close()
    expect([tree.uses, tree.openFiles, tree.faults]).toEqual([0, 0, []])
  })
})

describe('what another program’s lease is in the way of', () => {
  let timers: ManualTimers
  /** How many more attempts meet the lease. */
  let leased: number

  /** Whatever of the tree is called meets the lease. */
  function lease<N extends object>(on: N, method: keyof N & string): void {
    const original = (on[method] as (...all: never[]) => unknown).bind(on)
    Object.defineProperty(on, method, {
      value: (...values: never[]) => {
        if (leased-- > 0) throw new TryAgain(method, timers.later)
        return original(...values)
      },
    })
  }

  beforeEach(() => {
    timers = new ManualTimers()
    leased = 3
  })

  /** The pauses after which it is tried again. */
  function pass(): number[] {
    const pauses: number[] = []
    for (let next = timers.waiting[0]; next !== undefined; next = timers.waiting[0]) {
      pauses.push(next)
      timers.fire(next)
    }
    return pauses
  }

  it('is opened later', () => {
    lease(tree.root.children.get('file')!, 'open')
    probe.send(1, 'open', {}, { nodeid: probe.node('file') })
    expect(probe.replies).toEqual([])
    expect(pass()).toEqual([5, 10, 20])
    const opened = probe.taken('open')[0]?.reply as R<'open'>
    expect(probe.read(opened.fh)).toBe('hello')
  })

  it('is read later where it is opened by reading, and other replies keep their bytes', () => {
    tree.readOnly = true
    begin({ caching: 'none' })
    const nodeid = probe.node('file')
    lease(tree.root.children.get('file')!, 'open')
    probe.send(1, 'read', { offset: 1, size: 3 }, { nodeid })
    // Another reply is made meanwhile, at a place of its own.
    expect(probe.read(probe.open(probe.node('big')), 0, 8)).toBe('big file')
    expect(pass()).toEqual([5, 10, 20])
    expect([answers(), probe.log]).toEqual([[[1, 'ell']], []])
  })

  it('is a wait of its own after it was opened', () => {
    tree.readOnly = true
    begin({ caching: 'none' })
    const nodeid = probe.node('slow')
    lease(tree.root.children.get('slow')!, 'open')
    probe.send(1, 'read', { size: 2 }, { nodeid })
    pass()
    expect(answers()).toEqual([])
    tree.parked[0]!.resolve(Buffer.from('slow at last'))
    expect(answers()).toEqual([[1, 'sl']])
  })

  it('is a symlink later, where its target is in a file (mapped-xattr)', () => {
    const link = tree.root.children.get('link')!
    lease(link, 'readlink')
    probe.send(1, 'readlink', {}, { nodeid: probe.node('link') })
    pass()
    expect(answers()).toEqual([[1, 'target']])
    expect(probe.log).toEqual([])
  })

  it('is interrupted', () => {
    lease(tree.root.children.get('file')!, 'open')
    probe.send(1, 'open', {}, { nodeid: probe.node('file') })
    probe.tell('interrupt', { unique: 1 })
    expect([answers(), timers.waiting]).toEqual([[[1, errno.EINTR]], []])
  })

  it('is EAGAIN in the end', () => {
    leased = Infinity
    lease(tree.root.children.get('file')!, 'open')
    probe.send(1, 'open', {}, { nodeid: probe.node('file') })
    const pauses = pass()
    expect(answers()).toEqual([[1, errno.EAGAIN]])
    expect(pauses.reduce((sum, pause) => sum + pause)).toBeGreaterThan(60_000)
  })
})
