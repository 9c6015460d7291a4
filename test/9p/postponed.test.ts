import { beforeEach, describe, expect, it } from 'vitest'
import { limits, payloadBytes, ProtocolError } from '../../src/9p/index.ts'
import { Deferred } from '../../src/tree/deferred.ts'
import { constantFile, directory } from '../../src/tree/synthetic/entry.ts'
import { SyntheticTree } from '../../src/tree/synthetic/synthetic-tree.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { memoryOf, rawFrame } from '../support/frames.ts'
import { fieldsOf, SessionProbe } from '../support/session-probe.ts'

let tree: FakeTree
let probe: SessionProbe

beforeEach(() => {
  tree = new FakeTree()
  probe = new SessionProbe(tree).attach()
  probe.walk(1, 'file').open(1).walk(2, 'dir').open(2).walk(3, 'slow').open(3).walk(4, 'link')
  probe.replies = []
  tree.calls.length = 0
})

/** Tag and type of all replies that have come. */
function replies(): number[][] {
  return probe.replies.map(({ tag, type }) => [tag, type])
}

function read(tag: number, fid = 1): void {
  probe.send(tag, 'read', { fid, offset: 0, count: 100 })
}

function catchUp(): void {
  probe.isBackedUp = false
  while (probe.session.catchUp());
}

describe('while replies cannot leave', () => {
  it('only requests with short replies are carried out; the others follow in order', () => {
    probe.isBackedUp = true
    read(1)
    probe.send(2, 'readdir', { fid: 2, offset: 0n, count: 1000 })
    probe.send(3, 'readlink', { fid: 4 })
    probe.send(4, 'clunk', { fid: 1 })
    probe.send(5, 'remove', { fid: 4 })
    expect([replies(), tree.calls]).toEqual([[], []])
    probe.send(6, 'getattr', { fid: 1, mask: 0 })
    const data = { memory: memoryOf(Buffer.from('bytes')), offset: 0, length: 5 }
    probe.send(7, 'write', { fid: 1, offset: 0, data })
    expect(replies()).toEqual([
      [6, 25],
      [7, 119],
    ])
    probe.replies = []
    catchUp()
    expect(replies()).toEqual([
      [1, 117],
      [2, 41],
      [3, 23],
      [4, 121],
      [5, 123],
    ])
    expect(payloadBytes(fieldsOf('read', probe.replies[0]!).data).toString()).toBe('hello')
    expect(tree.faults).toEqual([])
  })

  it('requests are carried out one by one, as long as replies leave', () => {
    probe.isBackedUp = true
    for (let tag = 1; tag <= 3; tag++) read(tag)
    probe.isBackedUp = false
    expect(probe.session.catchUp()).toBe(true)
    expect(replies()).toEqual([[1, 117]])
    probe.isBackedUp = true
    read(4)
    read(1)
    catchUp()
    expect(replies().map(([tag]) => tag)).toEqual([1, 2, 3, 4, 1])
  })

  it('deferred answers wait as well, and leave first', () => {
    read(1, 3)
    read(2, 3)
    probe.isBackedUp = true
    read(3)
    tree.parked[1]!.resolve(Buffer.from('second'))
    tree.parked[0]!.resolve(Buffer.from('first'))
    probe.send(4, 'getattr', { fid: 0, mask: 0 })
    expect(replies()).toEqual([[4, 25]])
    catchUp()
    expect(replies().slice(1)).toEqual([
      [2, 117],
      [1, 117],
      [3, 117],
    ])
  })

  it('Tflush cancels a postponed request: only Rflush comes, and the tag is free', () => {
    read(1, 3)
    probe.isBackedUp = true
    tree.parked[0]!.resolve(Buffer.from('ready'))
    read(2)
    for (const oldtag of [1, 2]) probe.send(9, 'flush', { oldtag })
    expect(probe.forgotten).toBe(2)
    catchUp()
    expect(replies()).toEqual([
      [9, 109],
      [9, 109],
    ])
    read(2)
    expect(replies().at(-1)).toEqual([2, 117])
  })

  it.each([
    ['Tversion', () => probe.call('version', { msize: 8192, version: limits.VERSION })],
    ['the end', () => probe.session.close()],
  ])('%s forgets what waits', (_what, end) => {
    probe.isBackedUp = true
    for (let tag = 1; tag <= 3; tag++) read(tag)
    end()
    expect(probe.forgotten).toBe(3)
    catchUp()
    expect(replies()).toEqual([])
    expect([tree.uses, tree.openFiles, tree.faults]).toEqual([0, 0, []])
  })

  it('a postponed request holds its tag', () => {
    probe.isBackedUp = true
    read(1)
    expect(() => read(1)).toThrow(expect.objectContaining({ code: 'DUPLICATE_TAG' }))
  })

  it('a malformed request ends the connection at once, and is not kept', () => {
    probe.isBackedUp = true
    const long = rawFrame(116, 1, Buffer.alloc(5000))
    expect(() => probe.sendRaw(long)).toThrow(ProtocolError)
    catchUp()
    expect(replies()).toEqual([])
  })
})

describe('a postponed request in a saved session', () => {
  /** Each read of `slow` waits; `quick` is answered at once. */
  function served(): { probe: SessionProbe; parked: Deferred<Uint8Array>[] } {
    const parked: Deferred<Uint8Array>[] = []
    const wait = (): Deferred<Uint8Array> => {
      parked.push(new Deferred<Uint8Array>())
      return parked.at(-1)!
    }
    const slow = { kind: 'file', mode: 0o400, open: () => ({ read: wait }) } as const
    const quick = constantFile(() => Buffer.from('quick'))
    return { probe: new SessionProbe(new SyntheticTree(directory({ quick, slow })), 0), parked }
  }

  function textOf({ replies: all }: SessionProbe, index: number): string {
    return payloadBytes(fieldsOf('read', all[index]!).data).toString()
  }

  it('is carried out again, and replies that are ready leave before', () => {
    const { probe: first, parked } = served()
    first.call('version', { msize: 8192, version: limits.VERSION })
    first.attach().walk(1, 'quick').open(1).walk(2, 'slow').open(2)
    const ask = (tag: number, fid: number): void =>
      first.send(tag, 'read', { fid, offset: 0, count: 100 })
    ask(1, 2)
    first.isBackedUp = true
    ask(2, 1)
    ask(3, 2)
    parked[0]!.resolve(Buffer.from('ready'))
    expect(first.replies).toEqual([])
    const saved = first.session.save()
    expect([first.replies.length, textOf(first, 0), saved.waiting.length]).toEqual([1, 'ready', 2])

    const { probe: second, parked: theirs } = served()
    second.isBackedUp = true
    second.load(saved)
    expect([second.replies, theirs]).toEqual([[], []])
    second.isBackedUp = false
    while (second.session.catchUp());
    expect([second.replies.length, textOf(second, 0), theirs.length]).toEqual([1, 'quick', 1])
    // A request that is postponed again can be saved once more.
    const { probe: third, parked: last } = served()
    third.load(second.session.save())
    last[0]!.resolve(Buffer.from('slow'))
    expect([third.replies.map(({ tag }) => tag), textOf(third, 0)]).toEqual([[3], 'slow'])
  })
})
