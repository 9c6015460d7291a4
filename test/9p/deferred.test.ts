import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { payloadBytes } from '../../src/9p/index.ts'
import { Deferred } from '../../src/tree/deferred.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { fieldsOf, SessionProbe } from '../support/session-probe.ts'

let tree: FakeTree
let probe: SessionProbe

beforeEach(() => {
  tree = new FakeTree()
  probe = new SessionProbe(tree).attach()
  probe.walk(1, 'slow').open(1)
})

function readSlowly(tag: number, count = 100): void {
  probe.send(tag, 'read', { fid: 1, offset: 0, count })
}

function replies(): [tag: number, type: number][] {
  return probe.replies.map(({ tag, type }) => [tag, type])
}

function textOf(index: number): string {
  return payloadBytes(fieldsOf('read', probe.replies[index]!).data).toString()
}

describe('an answer that comes later', () => {
  it('does not delay other requests, and brings its own bytes', () => {
    readSlowly(1)
    readSlowly(2)
    probe.send(3, 'getattr', { fid: 0, mask: 0 })
    expect(replies()).toEqual([[3, 25]])
    tree.parked[1]!.resolve(Buffer.from('second'))
    tree.parked[0]!.resolve(Buffer.from('first'))
    expect(replies().slice(1)).toEqual([
      [2, 117],
      [1, 117],
    ])
    expect([textOf(1), textOf(2)]).toEqual(['second', 'first'])
  })

  it('is cut to what was asked for and to msize', () => {
    readSlowly(1, 3)
    readSlowly(2, 0xffff_ffff)
    for (const parked of tree.parked) parked.resolve(Buffer.alloc(20_000, 'x'))
    expect([textOf(0).length, textOf(1).length]).toEqual([3, 8192 - 24])
  })

  it('may be a failure', () => {
    readSlowly(1)
    readSlowly(2)
    tree.parked[0]!.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }))
    tree.parked[1]!.reject(new TypeError('a mistake'))
    expect(probe.replies.map(({ frame }) => frame.readUInt32LE(7))).toEqual([
      errno.ENOSPC,
      errno.EIO,
    ])
  })

  it('comes once', () => {
    readSlowly(1)
    tree.parked[0]!.resolve(Buffer.from('once'))
    tree.parked[0]!.resolve(Buffer.from('twice'))
    tree.parked[0]!.reject(new Error('no'))
    expect(replies()).toEqual([[1, 117]])
  })

  it('waits for its turn when it becomes ready while another is being made', () => {
    readSlowly(1)
    readSlowly(2)
    tree.root.add(
      'waker',
      tree.file('waker', (_offset, { memory, offset }) => {
        tree.parked[0]!.resolve(Buffer.from('first'))
        tree.parked[1]!.reject(new Error('no'))
        return memory.bytes.write('woke two', offset)
      }),
    )
    probe.walk(2, 'waker').open(2)
    probe.send(3, 'read', { fid: 2, offset: 0, count: 100 })
    expect(replies()).toEqual([
      [3, 117],
      [1, 117],
      [2, 7],
    ])
    expect([textOf(0), textOf(1)]).toEqual(['woke two', 'first'])
  })

  it('may be there already when it is returned', () => {
    const ready = new Deferred<Uint8Array>()
    ready.resolve(Buffer.from('early'))
    tree.root.children.get('slow')!.read = () => ready
    readSlowly(1)
    expect([replies(), textOf(0)]).toEqual([[[1, 117]], 'early'])
  })

  it('holds its tag: the same tag again ends the connection', () => {
    readSlowly(1)
    expect(() => probe.send(1, 'getattr', { fid: 0, mask: 0 })).toThrow(
      expect.objectContaining({ code: 'DUPLICATE_TAG' }),
    )
  })

  it('frees its tag', () => {
    readSlowly(1)
    tree.parked[0]!.resolve(Buffer.from('x'))
    readSlowly(1)
    tree.parked[1]!.resolve(Buffer.from('y'))
    expect(replies()).toEqual([
      [1, 117],
      [1, 117],
    ])
  })

  it('outlives the fid that it was asked through', () => {
    readSlowly(1)
    probe.call('clunk', { fid: 1 })
    tree.parked[0]!.resolve(Buffer.from('still'))
    expect(textOf(0)).toBe('still')
    expect(tree.faults).toEqual([])
  })
})

describe('Tflush', () => {
  it('takes a waiting request back: only Rflush comes, and the tag is free', () => {
    readSlowly(1)
    probe.send(2, 'flush', { oldtag: 1 })
    expect(replies()).toEqual([[2, 109]])
    expect(tree.cancelled).toBe(1)
    tree.parked[0]!.resolve(Buffer.from('late'))
    expect(replies()).toEqual([[2, 109]])
    readSlowly(1)
    tree.parked[1]!.resolve(Buffer.from('again'))
    expect(textOf(1)).toBe('again')
  })

  it('is answered also for a tag without a request, and for its own', () => {
    probe.send(2, 'flush', { oldtag: 99 })
    probe.send(3, 'flush', { oldtag: 3 })
    probe.send(4, 'flush', { oldtag: 0xffff })
    expect(replies()).toEqual([
      [2, 109],
      [3, 109],
      [4, 109],
    ])
  })

  it('comes after the reply of a request that was answered before', () => {
    readSlowly(1)
    tree.parked[0]!.resolve(Buffer.from('x'))
    probe.send(2, 'flush', { oldtag: 1 })
    expect(replies()).toEqual([
      [1, 117],
      [2, 109],
    ])
    expect(tree.cancelled).toBe(0)
  })

  it('is answered also when cancelling fails', () => {
    readSlowly(1)
    tree.onCancel = () => {
      throw new TypeError('a mistake in the tree')
    }
    probe.send(2, 'flush', { oldtag: 1 })
    expect(replies()).toEqual([[2, 109]])
    expect(probe.log).toEqual([expect.stringContaining('a mistake in the tree')])
    readSlowly(1)
  })

  it('keeps its place when cancelling settles others', () => {
    readSlowly(1)
    readSlowly(2)
    tree.onCancel = () => tree.parked[1]!.resolve(Buffer.from('woken'))
    probe.send(3, 'flush', { oldtag: 1 })
    expect(replies()).toEqual([
      [3, 109],
      [2, 117],
    ])
  })
})

describe('the end of the conversation', () => {
  it('cancels every waiting request, once, and answers none', () => {
    for (let tag = 1; tag <= 5; tag++) readSlowly(tag)
    probe.session.close()
    probe.session.close()
    expect(tree.cancelled).toBe(5)
    for (const parked of tree.parked) parked.resolve(Buffer.from('late'))
    expect(replies()).toEqual([])
    expect([tree.uses, tree.openFiles, tree.faults]).toEqual([0, 0, []])
  })

  it('cancels the others also when cancelling one fails or settles them', () => {
    for (let tag = 1; tag <= 5; tag++) readSlowly(tag)
    tree.onCancel = () => {
      tree.parked[4]!.resolve(Buffer.from('woken'))
      throw new TypeError('a mistake in the tree')
    }
    probe.session.close()
    expect(replies()).toEqual([])
    expect([tree.cancelled, tree.uses, tree.openFiles]).toEqual([4, 0, 0])
  })
})
