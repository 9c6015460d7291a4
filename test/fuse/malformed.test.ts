import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { type MessageName, type Row, messages } from '../../src/fuse/wire/messages.ts'
import { codeOf } from '../support/errors.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { FuseProbe } from '../support/fuse/fuse-probe.ts'
import { messageNames, payload, rawRequest, requestBytes } from '../support/fuse/requests.ts'

let tree: FakeTree
let probe: FuseProbe

beforeEach(() => {
  tree = new FakeTree()
  probe = new FuseProbe(tree)
  tree.calls.length = 0
})

/** A request of each row that has all fields and is well formed. */
function wellFormed(name: MessageName): Buffer {
  const names = { name: 'name', target: 'target', oldname: 'old', newname: 'new' }
  const data = { data: payload('data'), value: payload('same'), nodes: [{ nodeid: 7, count: 1 }] }
  return requestBytes(2, name, { ...names, ...data } as never)
}

/** Fields whose end is the end of the request: what is cut off is no part of them. */
const openEnded = new Set(['data', 'extension'])

function isOpenEnded({ T }: Row): boolean {
  return Object.values(T).some((kind) => openEnded.has(kind))
}

const rows = messageNames.map((name): [MessageName, Row] => [name, messages[name]])

function relabelled(bytes: Buffer, length = bytes.length): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt32LE(length, 0)
  return copy
}

describe('a request', () => {
  it.each(rows)('%s is understood when it is well formed', (name) => {
    expect(codeOf(() => probe.sendRaw(wellFormed(name)))).toBeUndefined()
  })

  it.each(rows)('%s that is cut off anywhere stops the device', (name, row) => {
    const whole = wellFormed(name)
    const broken: (string | undefined)[] = []
    for (let length = 0; length < whole.length; length++) {
      broken.push(
        codeOf(() => probe.sendRaw(relabelled(whole.subarray(0, Math.max(length, 4)), length))),
      )
    }
    // Where the last field may have any length, it is shorter, and a size before it is wrong.
    const fields = isOpenEnded(row) ? 40 : whole.length
    expect(broken.slice(0, fields)).not.toContain(undefined)
    expect(probe.log).toEqual([])
  })

  it.each(rows.filter(([, row]) => !isOpenEnded(row)))('%s with more bytes stops it', (name) => {
    const whole = wellFormed(name)
    const longer = relabelled(Buffer.concat([whole, Buffer.alloc(8)]))
    expect(codeOf(() => probe.sendRaw(longer))).toBe('TRAILING_BYTES')
  })

  it.each([-1, 1, 8, -40, 2 ** 31])('whose len is wrong by %i stops the device', (by) => {
    const whole = wellFormed('lookup')
    const wrong = relabelled(whole, whole.length + by)
    expect(['TRUNCATED', 'TRAILING_BYTES']).toContain(codeOf(() => probe.sendRaw(wrong)))
    expect(tree.calls).toEqual([])
  })

  it('may have extensions, which are passed over', () => {
    const whole = requestBytes(2, 'lookup', { name: 'file' })
    const extended = relabelled(Buffer.concat([whole, Buffer.alloc(16, 0xff)]))
    extended.writeUInt16LE(2, 36)
    probe.sendRaw(extended)
    expect(probe.taken('lookup')).toEqual([
      { unique: 2, reply: { entry: expect.objectContaining({ nodeid: 2 }) } },
    ])
    // Longer than the request, and into its fields.
    extended.writeUInt16LE(0xffff, 36)
    expect(codeOf(() => probe.sendRaw(extended))).toBe('TRUNCATED')
    extended.writeUInt16LE(4, 36)
    expect(codeOf(() => probe.sendRaw(extended))).toBe('TRUNCATED')
  })

  it('that says another size than its data have stops the device', () => {
    const fh = probe.open(probe.node('file'))
    for (const size of [0, 3, 5, 0xffff_ffff]) {
      const write = requestBytes(2, 'write', { fh, size, data: payload('data') })
      expect(codeOf(() => probe.sendRaw(write))).toBe('TRUNCATED')
    }
    const setxattr = requestBytes(2, 'setxattr', { size: 9, name: 'user.a', value: payload('v') })
    expect(codeOf(() => probe.sendRaw(setxattr))).toBe('TRUNCATED')
    expect(tree.calls.filter((call) => /^(?:write|setXattr)/.test(call))).toEqual([])
  })

  it('of more nodes than it has room for stops the device', () => {
    for (const count of [2, 0xffff_ffff]) {
      const batch = wellFormed('batchForget')
      batch.writeUInt32LE(count, 40)
      expect(codeOf(() => probe.sendRaw(batch))).toBe('LIST_TOO_LONG')
    }
  })

  it.each([0, 7, 19, 34, 37, 39, 40, 41, 48, 49, 53, 4096, 0xffff_ffff])(
    'of opcode %i, which is not served, is ENOSYS',
    (opcode) => {
      probe.sendRaw(rawRequest(2, opcode, Buffer.alloc(100)))
      expect(probe.replies.map(({ bytes }) => bytes.readInt32LE(4))).toEqual([-errno.ENOSYS])
    },
  )

  it('without a room for its reply is EMSGSIZE, which is logged', () => {
    probe.sendRaw(requestBytes(2, 'getattr', {}), 16)
    expect(probe.replies.map(({ bytes }) => bytes.readInt32LE(4))).toEqual([-errno.EMSGSIZE])
    expect(probe.log).toEqual([expect.stringContaining('EMSGSIZE')])
  })

  it('with an offset of 2^53 or more is EFBIG, or ENXIO for LSEEK, and the device goes on', () => {
    const fh = probe.open(probe.node('file'))
    const offset = 2 ** 53
    expect(probe.errnoOf('read', { fh, offset, size: 1 })).toBe(errno.EFBIG)
    expect(probe.errnoOf('write', { fh, offset, data: payload('x') })).toBe(errno.EFBIG)
    expect(probe.errnoOf('fallocate', { fh, offset, length: 1 })).toBe(errno.EFBIG)
    expect(probe.errnoOf('fallocate', { fh, length: offset })).toBe(errno.EFBIG)
    expect(probe.errnoOf('setattr', { valid: 8, size: offset }, { nodeid: 2 })).toBe(errno.EFBIG)
    expect(probe.errnoOf('copyFileRange', { fh, fhOut: fh, offsetOut: offset })).toBe(errno.EFBIG)
    expect(probe.errnoOf('lseek', { fh, offset, whence: 3 })).toBe(errno.ENXIO)
    expect(probe.read(fh)).toBe('hello')
  })

  it('of any bytes is answered, or stops the device, and nothing else is thrown', () => {
    const opcode = fc.oneof(fc.integer({ min: 0, max: 60 }), fc.nat())
    const anything = fc.tuple(opcode, fc.nat(3), fc.uint8Array({ maxLength: 200 }))
    fc.assert(
      fc.property(anything, ([number, nodeid, body]) => {
        const own = new FuseProbe(new FakeTree())
        own.node('file')
        const silent = rows.some(([, { opcode: its, R }]) => its === number && R === null)
        const before = own.channel.forgotten
        // Nothing but a ProtocolError.
        if (codeOf(() => own.sendRaw(rawRequest(2, number, body, nodeid))) !== undefined) return
        const waits = own.session.deferred.size
        const came = own.replies.length + own.channel.forgotten - before
        expect([came + waits, silent && own.replies.length > 0]).toEqual([1, false])
        expect(own.log.filter((line) => line.includes('unexpectedly'))).toEqual([])
      }),
      { numRuns: 3000 },
    )
  })
})

describe('a mistake in the tree', () => {
  it('is EIO, and is logged', () => {
    const fh = probe.open(probe.node('broken'))
    expect(probe.errnoOf('read', { fh, size: 1 })).toBe(errno.EIO)
    expect(probe.log).toEqual([expect.stringContaining('a mistake in the tree')])
  })

  it('is logged also where there is no reply', () => {
    const nodeid = probe.node('file')
    tree.closeError = new TypeError('a mistake in the tree')
    probe.tell('forget', { count: 1 }, nodeid)
    expect(probe.log).toEqual([expect.stringContaining('forget failed unexpectedly')])
  })
})
