import { beforeEach, describe, expect, it } from 'vitest'
import { heapMemory, limits, type MessageName, run, type T } from '../../src/9p/index.ts'
import type { ReplyPlace } from '../../src/sys/reply-place.ts'
import { Session } from '../../src/9p/session.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { memoryOf, requestFrame } from '../support/frames.ts'

let tree: FakeTree
let session: Session
/** What has happened to the place of every request, by tag. */
let told: string[]

beforeEach(() => {
  tree = new FakeTree()
  told = []
  session = new Session(tree, (line) => told.push(`log ${line}`))
  send(limits.NOTAG, 'version', { msize: 8192, version: limits.VERSION })
  send(0, 'attach', { fid: 0, afid: limits.NOFID, uname: '', aname: '', uid: 0 })
  send(0, 'walk', { fid: 0, newfid: 1, names: ['slow'] })
  send(0, 'lopen', { fid: 1, flags: 0 })
  told = []
})

/** Sends a request that has a place of its own, as in a virtqueue. */
function send<M extends MessageName>(tag: number, name: M, fields: T<M>, room = 8192): void {
  const frame = requestFrame(tag, name, fields)
  const memory = heapMemory(room)
  const place: ReplyPlace = {
    isBackedUp: false,
    reserve: (bytes) => {
      told.push(`reserve ${tag}`)
      return run(memory, 0, Math.min(bytes, room))
    },
    payload: (headBytes, count) =>
      run(memory, headBytes, Math.max(0, Math.min(count, room - headBytes))),
    commit: (headBytes, payloadBytes) =>
      told.push(`commit ${tag}: type ${memory.bytes[4]} of ${headBytes + payloadBytes}`),
    forget: () => told.push(`forget ${tag}`),
  }
  session.receive(memoryOf(frame), 0, frame.length, place)
}

function readSlowly(tag: number): void {
  send(tag, 'read', { fid: 1, offset: 0, count: 100 })
}

describe('a request’s place', () => {
  it('is reserved and committed, once each', () => {
    send(3, 'getattr', { fid: 0, mask: 0 })
    send(4, 'getattr', { fid: 99, mask: 0 })
    expect(told).toEqual([
      'reserve 3',
      'commit 3: type 25 of 160',
      'reserve 4',
      'commit 4: type 7 of 11',
    ])
  })

  it('is reserved again for an answer that comes later', () => {
    readSlowly(3)
    send(4, 'clunk', { fid: 0 })
    expect(told).toEqual(['reserve 3', 'reserve 4', 'commit 4: type 121 of 7'])
    told = []
    tree.parked[0]!.resolve(Buffer.from('later'))
    expect(told).toEqual(['reserve 3', 'commit 3: type 117 of 16'])
  })

  it('is forgotten when the request is flushed, before the flush is answered', () => {
    readSlowly(3)
    told = []
    send(4, 'flush', { oldtag: 3 })
    expect(told).toEqual(['reserve 4', 'forget 3', 'commit 4: type 109 of 7'])
    tree.parked[0]!.resolve(Buffer.from('too late'))
    expect(told.length).toBe(3)
  })

  it('is forgotten once, whatever else is flushed', () => {
    readSlowly(3)
    for (const oldtag of [3, 3, 4, 9]) send(5, 'flush', { oldtag })
    expect(told.filter((line) => line.startsWith('forget'))).toEqual(['forget 3'])
  })

  it('is forgotten with the conversation, each of them', () => {
    for (const tag of [3, 4, 5]) readSlowly(tag)
    told = []
    session.close()
    expect(told).toEqual(['forget 3', 'forget 4', 'forget 5'])
    session.close()
    for (const parked of tree.parked) parked.resolve(Buffer.from('too late'))
    expect(told.length).toBe(3)
  })

  it('is forgotten when a new conversation begins, and not that of the Tversion', () => {
    readSlowly(3)
    told = []
    send(limits.NOTAG, 'version', { msize: 8192, version: limits.VERSION })
    expect(told).toEqual(['reserve 65535', 'forget 3', 'commit 65535: type 101 of 21'])
  })

  it('is forgotten also where cancelling fails', () => {
    readSlowly(3)
    tree.onCancel = () => {
      throw new Error('no')
    }
    told = []
    send(4, 'flush', { oldtag: 3 })
    expect(told.filter((line) => !line.startsWith('log'))).toEqual([
      'reserve 4',
      'forget 3',
      'commit 4: type 109 of 7',
    ])
  })

  it('may be small: a read brings as much as it has room for', () => {
    send(3, 'walk', { fid: 0, newfid: 2, names: ['big'] })
    send(3, 'lopen', { fid: 2, flags: 0 })
    told = []
    send(3, 'read', { fid: 2, offset: 0, count: 5000 }, 50)
    expect(told).toEqual(['reserve 3', 'commit 3: type 117 of 50'])
    expect(tree.calls.at(-1)).toBe('read 0 39')
  })
})
