import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { limits, type MessageName, messages, ProtocolError, type T } from '../../src/9p/index.ts'
import { StreamSession } from '../../src/transport/stream/stream-session.ts'
import { Deferred } from '../../src/tree/deferred.ts'
import { constantFile, directory } from '../../src/tree/synthetic/entry.ts'
import { SyntheticTree } from '../../src/tree/synthetic/synthetic-tree.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { memoryOf, rawFrame, requestFrame } from '../support/frames.ts'

const MSIZE = 8192

/** A conversation with small requests, large ones and large replies. */
const conversation = [
  ask('version', { msize: MSIZE, version: limits.VERSION }),
  ask('attach', { fid: 0, afid: limits.NOFID, uname: 'root', aname: '', uid: 0 }),
  ask('walk', { fid: 0, newfid: 1, names: ['file'] }),
  ask('lopen', { fid: 1, flags: 2 }),
  ask('walk', { fid: 0, newfid: 2, names: ['big'] }),
  ask('lopen', { fid: 2, flags: 0 }),
  ...Array.from({ length: 20 }, (_, i) => ask('read', { fid: 2, offset: i, count: 0xffff_ffff })),
  // As large as a frame may be.
  ...Array.from({ length: 20 }, (_, i) => ask('write', { fid: 1, offset: i, data: payload(i) })),
  ask('getattr', { fid: 0, mask: 0 }),
  rawFrame(254, 1),
  ask('clunk', { fid: 1 }),
]

function ask<M extends MessageName>(name: M, fields: T<M>): Buffer {
  return requestFrame(messages[name].type, name, fields)
}

function payload(byte: number): T<'write'>['data'] {
  const length = MSIZE - limits.IO_HEADER_BYTES + 1
  return { memory: memoryOf(Buffer.alloc(length, byte)), offset: 0, length }
}

/** The peer: takes at most `takes` bytes of the replies at a time. */
class Peer {
  readonly tree = new FakeTree()
  readonly stream = new StreamSession(this.tree, () => {})
  received: Buffer[] = []
  #more = false

  send(bytes: Buffer, takes = Number.POSITIVE_INFINITY): void {
    const { inbox } = this.stream
    for (let rest = bytes; rest.length > 0 || this.#more;) {
      if (!this.#more) {
        const part = rest.subarray(0, inbox.room)
        if (part.length === 0) throw new Error('no room')
        inbox.memory.bytes.set(part, inbox.end)
        inbox.arrived(part.length)
        rest = rest.subarray(part.length)
      }
      this.#more = this.stream.answer()
      this.take(takes)
    }
  }

  /** Takes replies, at most `takes` bytes at once, until none is left. */
  take(takes: number): void {
    const { outbox } = this.stream
    while (outbox.pending > 0) {
      const bytes = Math.min(takes, outbox.pending)
      this.received.push(
        Buffer.from(outbox.memory.bytes.subarray(outbox.start, outbox.start + bytes)),
      )
      outbox.left(bytes)
    }
  }

  get replies(): Buffer {
    return Buffer.concat(this.received)
  }
}

function replies(pieces: Buffer[], takes?: number): Buffer {
  const peer = new Peer()
  for (const piece of pieces) peer.send(piece, takes)
  return peer.replies
}

describe('a conversation over a stream', () => {
  const all = Buffer.concat(conversation)
  const expected = replies(conversation)

  it('has one reply for each request, in order', () => {
    const types: number[] = []
    for (let at = 0; at < expected.length; at += expected.readUInt32LE(at)) {
      types.push(expected[at + 4]!)
    }
    expect(types).toEqual(conversation.map((frame) => (frame[4] === 254 ? 7 : frame[4]! + 1)))
  })

  it('is the same in one piece, and one byte at a time', () => {
    expect(replies([all]).equals(expected)).toBe(true)
    const bytes = Array.from(all, (_, i) => all.subarray(i, i + 1))
    expect(replies(bytes).equals(expected)).toBe(true)
  })

  it('is the same however it is cut, inside of size[4] too', () => {
    const ends: number[] = []
    for (const frame of conversation) ends.push((ends.at(-1) ?? 0) + frame.length)
    const near = fc
      .tuple(fc.constantFrom(...ends), fc.integer({ min: -3, max: 6 }))
      .map(([end, off]) => end + off)
    const cuts = fc.array(fc.oneof(near, fc.nat(all.length)), { maxLength: 60 })
    fc.assert(
      fc.property(cuts, fc.integer({ min: 1, max: 50_000 }), (at, takes) => {
        const sorted = [0, ...at.filter((cut) => cut <= all.length).toSorted((a, b) => a - b)]
        const pieces = sorted.map((cut, i) => all.subarray(cut, sorted[i + 1] ?? all.length))
        expect(replies(pieces, takes).equals(expected)).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  it('keeps no more memory than for a message and a batch of replies, whatever is sent', () => {
    const peer = new Peer()
    peer.send(Buffer.concat(conversation.slice(0, 6)))
    const requests = 5000
    const many = Buffer.concat(
      Array.from({ length: requests }, () => ask('read', { fid: 2, offset: 0, count: MSIZE })),
    )
    // The test takes no replies, so at some time the session stops answering.
    const { inbox, outbox } = peer.stream
    let taken = 0
    for (;;) {
      const part = many.subarray(taken, taken + inbox.room)
      if (part.length === 0) break
      inbox.memory.bytes.set(part, inbox.end)
      inbox.arrived(part.length)
      taken += part.length
      if (peer.stream.answer()) break
    }
    expect(taken).toBeLessThan(many.length)
    expect(outbox.memory.bytes.length).toBeLessThan(200_000)
    expect(outbox.pending).toBeGreaterThan(MSIZE)
    // The rest is answered when they are taken.
    peer.take(1000)
    while (peer.stream.answer()) peer.take(1000)
    peer.take(1000)
    peer.send(many.subarray(taken))
    const count = peer.replies.length - expectedLength(6)
    expect(count).toBe(requests * (MSIZE - limits.IO_HEADER_BYTES + limits.READ_OVERHEAD))
  })

  function expectedLength(requests: number): number {
    let at = 0
    for (let i = 0; i < requests; i++) at += expected.readUInt32LE(at)
    return at
  }

  it('grows to the largest msize and works with it', () => {
    const peer = new Peer()
    const msize = limits.MSIZE_MAX
    peer.send(ask('version', { msize, version: limits.VERSION }))
    peer.send(Buffer.concat(conversation.slice(1, 6)))
    peer.received = []
    for (let i = 0; i < 5; i++) peer.send(ask('read', { fid: 2, offset: 0, count: msize }), 100_000)
    expect(peer.replies.length).toBe(5 * (msize - 24 + 11))
    const length = msize - 23
    const data = { memory: memoryOf(Buffer.alloc(length, 7)), offset: 0, length }
    const write = ask('write', { fid: 1, offset: 0, data })
    expect(write.length).toBe(msize)
    peer.received = []
    peer.send(Buffer.concat([write, write, ask('clunk', { fid: 1 })]))
    expect(peer.replies.length).toBe(11 + 11 + 7)
  })

  it.each([0, 100, 60_000])(
    'keeps answers that come all at once, %i bytes taken between',
    (taken) => {
      const peer = new Peer()
      peer.send(conversation[0]!)
      peer.send(conversation[1]!)
      peer.send(ask('walk', { fid: 0, newfid: 1, names: ['slow'] }))
      peer.send(ask('lopen', { fid: 1, flags: 0 }))
      peer.received = []
      for (let tag = 0; tag < 40; tag++) {
        peer.send(requestFrame(tag, 'read', { fid: 1, offset: 0, count: 5000 }))
      }
      const { outbox } = peer.stream
      for (const [i, parked] of peer.tree.parked.entries()) {
        parked.resolve(Buffer.alloc(5000, i))
        if (outbox.pending > 50_000 && taken > 0) {
          const bytes = Math.min(taken, outbox.pending)
          peer.received.push(
            Buffer.from(outbox.memory.bytes.subarray(outbox.start, outbox.start + bytes)),
          )
          outbox.left(bytes)
        }
      }
      peer.take(10_000)
      const replied = peer.replies
      expect(replied.length).toBe(40 * 5011)
      for (let i = 0; i < 40; i++) {
        const frame = replied.subarray(i * 5011, (i + 1) * 5011)
        expect([frame.readUInt32LE(0), frame.readUInt16LE(5)]).toEqual([5011, i])
        expect(frame.subarray(11).equals(Buffer.alloc(5000, i))).toBe(true)
      }
    },
  )

  it.each([
    ['a size[4] of 6', Buffer.from([6, 0, 0, 0])],
    ['a size[4] of 0', Buffer.alloc(4)],
    ['a size[4] above msize', Buffer.from([1, 0x20, 0, 0])],
    ['a size[4] of 2^32 - 1', Buffer.alloc(4, 0xff)],
    ['a cut message', rawFrame(110, 1, Buffer.from([0, 0, 0, 0]))],
  ])('ends with %s, after the replies to what came before', (_what, bad) => {
    const peer = new Peer()
    peer.send(conversation[0]!)
    peer.received = []
    const { inbox } = peer.stream
    const both = Buffer.concat([conversation[1]!, bad])
    inbox.memory.bytes.set(both, inbox.end)
    inbox.arrived(both.length)
    expect(() => peer.stream.answer()).toThrow(ProtocolError)
    peer.take(1000)
    expect(peer.replies[4]).toBe(105)
    peer.stream.close()
    expect([peer.tree.uses, peer.tree.faults]).toEqual([0, []])
  })

  describe('while no reply can leave', () => {
    /** Hands over all of it; returns how many bytes were not taken in. */
    function takesIn(peer: Peer, bytes: Buffer): number {
      const { inbox } = peer.stream
      let rest = bytes
      while (rest.length > 0 && inbox.room > 0) {
        const part = rest.subarray(0, inbox.room)
        inbox.memory.bytes.set(part, inbox.end)
        inbox.arrived(part.length)
        rest = rest.subarray(part.length)
        while (peer.stream.answer());
      }
      return rest.length
    }

    function backedUp(): Peer {
      const peer = new Peer()
      peer.send(Buffer.concat(conversation.slice(0, 6)))
      peer.received = []
      peer.stream.outbox.isBackedUp = true
      return peer
    }

    it('reads all requests that a client has tags for, and keeps little of them', () => {
      const peer = backedUp()
      const asked = Buffer.concat(
        Array.from({ length: 2000 }, (_, i) =>
          Buffer.concat([
            requestFrame(2 * i, 'read', { fid: 2, offset: i, count: MSIZE }),
            requestFrame(2 * i + 1, 'write', { fid: 1, offset: i, data: payload(i) }),
          ]),
        ),
      )
      expect(takesIn(peer, asked)).toBe(0)
      const { inbox, outbox } = peer.stream
      expect(peer.tree.calls.filter((call) => call.startsWith('write'))).toHaveLength(2000)
      expect(peer.tree.calls.filter((call) => call.startsWith('read'))).toEqual([])
      expect([inbox.waiting.length, outbox.pending]).toEqual([0, 2000 * 11])
      expect(inbox.memory.bytes.length + outbox.memory.bytes.length).toBeLessThan(250_000)
      outbox.isBackedUp = false
      peer.take(10_000)
      while (peer.stream.answer()) peer.take(10_000)
      peer.take(10_000)
      expect(peer.replies.length).toBe(2000 * (11 + MSIZE - 24 + 11))
      expect(peer.tree.calls.filter((call) => call.startsWith('read'))).toHaveLength(2000)
    })

    it('goes on for as many requests as there are tags, with the longest of short replies', () => {
      const peer = backedUp()
      const clientId = 'x'.repeat(255)
      const whole = { start: 0n, length: 1n, procId: 1, clientId }
      const asked = Buffer.concat(
        Array.from({ length: limits.NOTAG }, (_, tag) =>
          requestFrame(tag, 'getlock', { fid: 1, type: 0, ...whole }),
        ),
      )
      expect(takesIn(peer, asked)).toBe(0)
      expect(peer.stream.outbox.pending).toBeGreaterThan(limits.NOTAG * 280)
    })

    it('ends when a client has more requests than tags, with little kept', () => {
      const peer = backedUp()
      const same = Buffer.concat(
        Array.from({ length: 10_000 }, () => ask('getattr', { fid: 1, mask: 0 })),
      )
      let rounds = 0
      const askOn = (): void => {
        for (; rounds < 100; rounds++) takesIn(peer, same)
      }
      expect(askOn).toThrow(expect.objectContaining({ code: 'TOO_MANY_REQUESTS' }))
      expect(rounds).toBeGreaterThan(8)
      expect(peer.stream.outbox.memory.bytes.length).toBeLessThan(40 << 20)
    })

    it('counts what waits, and not what has left meanwhile', () => {
      const peer = backedUp()
      const { outbox } = peer.stream
      const some = Buffer.concat(
        Array.from({ length: 60_000 }, (_, tag) =>
          requestFrame(tag, 'getattr', { fid: 1, mask: 0 }),
        ),
      )
      for (let round = 0; round < 4; round++) {
        takesIn(peer, some)
        // All of it but a byte: it is backed up as before.
        outbox.left(outbox.pending - 1)
      }
    })
  })

  it('goes on elsewhere with what waited for replies to leave, and no sooner', () => {
    const large = Buffer.alloc(5000, 'large')
    const parked: Deferred<Uint8Array>[] = []
    const read = (): Deferred<Uint8Array> => {
      parked.push(new Deferred<Uint8Array>())
      return parked.at(-1)!
    }
    const begun = (): StreamSession => {
      const files = {
        large: constantFile(() => large),
        slow: { kind: 'file', mode: 0o400, open: () => ({ read }) },
      } as const
      return new StreamSession(new SyntheticTree(directory(files)), () => {})
    }
    const handOver = ({ inbox }: StreamSession, bytes: Buffer): void => {
      inbox.memory.bytes.set(bytes, inbox.end)
      inbox.arrived(bytes.length)
    }
    const first = begun()
    handOver(first, Buffer.concat(conversation.slice(0, 2)))
    for (const [i, name] of ['large', 'slow'].entries()) {
      handOver(first, ask('walk', { fid: 0, newfid: 1 + i, names: [name] }))
      handOver(first, ask('lopen', { fid: 1 + i, flags: 0 }))
    }
    handOver(first, requestFrame(7, 'read', { fid: 2, offset: 0, count: 100 }))
    first.answer()
    const { outbox } = first
    outbox.left(outbox.pending - 10)
    outbox.isBackedUp = true
    handOver(first, requestFrame(8, 'read', { fid: 1, offset: 0, count: 5000 }))
    first.answer()
    parked[0]!.resolve(Buffer.from('ready'))
    expect(outbox.pending).toBe(10)
    const saved = first.save()
    expect([outbox.pending, outbox.overdue, outbox.isBackedUp]).toEqual([10 + 16, 0, true])

    const second = begun()
    second.load(saved)
    expect([second.outbox.pending, second.outbox.isBackedUp]).toEqual([10 + 16, false])
    while (second.answer());
    expect(second.outbox.waiting.subarray(10 + 16 + 11).equals(large)).toBe(true)
  })

  it('before Tversion has no frame above the smallest msize', () => {
    const peer = new Peer()
    const name = 'x'.repeat(5000)
    const large = ask('version', { msize: 8192, version: name })
    expect(() => peer.send(large)).toThrow(expect.objectContaining({ code: 'FRAME_TOO_LARGE' }))
  })
})
