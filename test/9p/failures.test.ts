import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { limits, type MessageName, messages, ProtocolError } from '../../src/9p/index.ts'
import { defaultLimits } from '../../src/session/session-limits.ts'
import { fieldsOf, messageNames } from '../support/arbitraries.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { codeOf } from '../support/errors.ts'
import { rawFrame, requestFrame } from '../support/frames.ts'
import { SessionProbe } from '../support/session-probe.ts'

let tree: FakeTree
let probe: SessionProbe

beforeEach(() => {
  tree = new FakeTree()
  probe = new SessionProbe(tree).attach()
})

describe('an operation that fails', () => {
  it('unexpectedly is EIO, one line in the log, and the conversation goes on', () => {
    probe.walk(1, 'broken').open(1)
    expect(probe.errnoOf('read', { fid: 1, offset: 0, count: 5 })).toBe(errno.EIO)
    expect(probe.log).toHaveLength(1)
    expect(probe.log[0]).toContain('a mistake in the tree')
    probe.walk(2, 'file').open(2)
    expect(probe.call('read', { fid: 2, offset: 0, count: 5 }).data.length).toBe(5)
  })

  it('by more bytes than there is room for is EIO, and not a reply that the client cannot take', () => {
    tree.root.add(
      'boaster',
      tree.file('boaster', (_offset, into) => into.length + 1),
    )
    probe.walk(1, 'boaster').open(1)
    for (const count of [5, 1 << 20]) {
      expect(probe.errnoOf('read', { fid: 1, offset: 0, count })).toBe(errno.EIO)
    }
    expect(probe.log[0]).toContain('a payload of 6 bytes, where 5 were asked for')
  })

  it('with an errno is that errno, and nothing for the log', () => {
    expect(probe.errnoOf('walk', { fid: 0, newfid: 1, names: ['missing'] })).toBe(errno.ENOENT)
    expect(probe.log).toEqual([])
  })
})

describe('a malformed frame', () => {
  it('ends the connection and does not reach the tree', () => {
    tree.calls.length = 0
    for (const [name, { type }] of Object.entries(messages)) {
      const body = Buffer.alloc(500)
      expect([name, codeOf(() => probe.sendRaw(rawFrame(type, 1, body)))]).toEqual([
        name,
        'TRAILING_BYTES',
      ])
    }
    expect(tree.calls).toEqual([])
    expect(probe.replies).toEqual([])
  })
})

describe('any sequence of requests', () => {
  const requests = fc
    .constantFrom(...messageNames)
    .chain((name) =>
      fc.tuple(fc.nat(20), fieldsOf(name, 'T')).map(([tag, fields]) => ({ tag, name, fields })),
    )
  /** Values that are often valid: fids that are in use, names that exist. */
  const likely = (name: MessageName, field: string, value: unknown): unknown => {
    if (field === 'afid') return limits.NOFID
    if (field.endsWith('fid')) return (value as number) % 4
    if (field === 'names') {
      return (value as string[]).map((_, i) => ['dir', 'inner', '..', 'file', 'slow'][i % 5])
    }
    if (name === 'xattrcreate' && field === 'size') return (value as bigint) % 9n
    if (field === 'type') return (value as number) % 4
    return value
  }
  const close = requests.map(({ tag, name, fields }) => ({
    tag,
    name,
    fields: Object.fromEntries(
      Object.entries(fields as object).map(([field, value]) => [field, likely(name, field, value)]),
    ) as never,
  }))

  it('gets one reply for each request, breaks nothing and leaves nothing behind', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(requests, close), { maxLength: 60 }), (sent) => {
        const fake = new FakeTree()
        const client = new SessionProbe(fake).attach()
        let answered = 0
        for (const { tag, name, fields } of sent) {
          const before = client.replies.length
          const waiting = fake.parked.length + fake.lockWaits.length
          // A frame above the agreed msize would not have been read.
          const frame = requestFrame(tag, name, fields)
          try {
            client.sendRaw(frame)
          } catch (error) {
            if (!(error instanceof ProtocolError)) throw error
            break
          }
          answered = client.replies.length - before
          expect(answered).toBe(fake.parked.length + fake.lockWaits.length > waiting ? 0 : 1)
        }
        client.session.close()
        client.session.xattrMemory.take(defaultLimits.xattrBytes)
        expect([fake.uses, fake.openFiles, fake.faults]).toEqual([0, 0, []])
      }),
      { numRuns: 300 },
    )
  })

  it('also of random bytes, causes no errors but protocol errors', () => {
    const type = fc.constantFrom(...Object.values(messages).map((row) => row.type))
    fc.assert(
      fc.property(type, fc.nat(30), fc.uint8Array({ maxLength: 100 }), (number, tag, body) => {
        try {
          probe.sendRaw(rawFrame(number, tag, body))
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
        }
      }),
      { numRuns: 1000 },
    )
    expect(tree.faults).toEqual([])
  })
})
