import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { init, lock, setattr } from '../../../src/fuse/wire/flags.ts'
import { IO_BYTES_MAX, REQUEST_BYTES_MAX } from '../../../src/fuse/wire/limits.ts'
import { type MessageName, type Row, messages } from '../../../src/fuse/wire/messages.ts'
import { errno } from '../../../src/sys/errno.ts'
import { payloadBytes } from '../../../src/sys/memory.ts'
import type { Turn } from '../../../src/transport/event-loop.ts'
import { HostTree } from '../../../src/tree/host/host-tree.ts'
import { FakeTree } from '../../support/fake-tree.ts'
import { fieldsOf } from '../../support/fuse/client.ts'
import {
  linuxInit,
  messageNames,
  payload,
  rawRequest,
  requestBytes,
  uniqueOf,
} from '../../support/fuse/requests.ts'
import { sharePolicy } from '../../support/directory-server.ts'
import { ManualTimers } from '../../support/manual-timers.ts'
import { temporaryDirectory } from '../../support/temporary.ts'
import { NEXT, WRITE } from '../../support/vhost-user/driver-queue.ts'
import { FsMachine } from '../../support/vhost-user/fs-machine.ts'

let tree: FakeTree
/** The one that lies. */
let liar: FsMachine
/** Another client of the same tree, which must not notice. */
let other: FsMachine
let otherNode: number

beforeEach(() => {
  tree = new FakeTree()
  liar = new FsMachine(tree).begin()
  other = new FsMachine(tree).begin()
  otherNode = other.find('file')
})

afterEach(() => {
  liar[Symbol.dispose]()
  expectOtherServed()
  other[Symbol.dispose]()
  expectNothingLeft()
})

function expectNothingLeft(): void {
  expect([tree.uses, tree.openFiles, tree.faults]).toEqual([0, 0, []])
}

function expectOtherServed(): void {
  expect(other.errnoOf('getattr', {}, { nodeid: otherNode })).toBe(0)
  expect(other.said).toEqual([])
}

/** The device has stopped with this line and no other one, and serves its next driver. */
function expectStopped(reason: string): void {
  const line = `the device has stopped: ${reason}`
  expect(liar.said).toEqual([line])
  expectOtherServed()
  for (const index of [0, 1, 2]) {
    liar.send(index, 'init', linuxInit)
    expect(liar.machine.take(index)).toEqual([])
  }
  liar.restart().begin()
  expect(liar.find('file')).toBeGreaterThan(1)
  expect(liar.said).toEqual([line])
}

/** The device goes on, and has logged nothing. */
function expectServed(): void {
  expect(liar.errnoOf('getattr')).toBe(0)
  expect(liar.said).toEqual([])
}

function claiming(bytes: Buffer, length: number): Buffer {
  const lying = Buffer.from(bytes)
  lying.writeUInt32LE(length)
  return lying
}

/** A request with so many words of extensions, more of which it may announce. */
function extended(bytes: Buffer, words: number, announced = words): Buffer {
  const longer = Buffer.concat([bytes, Buffer.alloc(words * 8, 0xee)])
  longer.writeUInt32LE(longer.length)
  longer.writeUInt16LE(announced, 36)
  return longer
}

const getattr = requestBytes(1001, 'getattr', {})
const lookup = requestBytes(1002, 'lookup', { name: 'file' })
const write = requestBytes(1003, 'write', { fh: 1, data: payload('w'.repeat(100)) })
const setxattr = requestBytes(1004, 'setxattr', { name: 'user.a', value: payload('value') })
const { opcode: BATCH_FORGET } = messages.batchForget

function batchForget(count: number, nodes: number): Buffer {
  const body = Buffer.alloc(8 + 16 * nodes)
  body.writeUInt32LE(count)
  return rawRequest(1005, BATCH_FORGET, body)
}

/** With another value of 4 bytes at this place of it. */
function changed(bytes: Buffer, at: number, value: number): Buffer {
  const lying = Buffer.from(bytes)
  lying.writeUInt32LE(value, at)
  return lying
}

describe('a request that is none stops the device', () => {
  const lies: readonly [string, Buffer, string][] = [
    ['no bytes', Buffer.alloc(0), 'FRAME_TOO_SMALL: a request of 0 bytes'],
    ['a part of a header', getattr.subarray(0, 39), 'FRAME_TOO_SMALL: a request of 39 bytes'],
    ['a len[4] of 0', claiming(getattr, 0), 'TRAILING_BYTES: len[4] is 0 in a request of 56 bytes'],
    [
      'a len[4] below its own',
      claiming(getattr, 55),
      'TRAILING_BYTES: len[4] is 55 in a request of 56 bytes',
    ],
    [
      'a len[4] above its own',
      claiming(getattr, 57),
      'TRUNCATED: len[4] is 57 in a request of 56 bytes',
    ],
    [
      'a len[4] without an end',
      claiming(write, 0xffff_ffff),
      'TRUNCATED: len[4] is 4294967295 in a request of 180 bytes',
    ],
    [
      'fields that end early',
      rawRequest(1, messages.getattr.opcode, Buffer.alloc(15)),
      'TRUNCATED: the frame ends 1 bytes too early',
    ],
    [
      'bytes behind its fields',
      rawRequest(1, messages.getattr.opcode, Buffer.alloc(17)),
      'TRAILING_BYTES: 1 bytes follow the last field',
    ],
    [
      'extensions that are longer than it',
      extended(getattr, 1, 4),
      'TRUNCATED: extensions of 32 bytes in 64 bytes',
    ],
    [
      'extensions over its fields',
      extended(getattr, 1, 3),
      'TRUNCATED: the frame ends 4 bytes too early',
    ],
    [
      'a name without its end',
      rawRequest(1, messages.lookup.opcode, Buffer.from('file')),
      'TRUNCATED: a name without its end',
    ],
    [
      'no name',
      rawRequest(1, messages.lookup.opcode, Buffer.alloc(0)),
      'TRUNCATED: a name without its end',
    ],
    [
      'two names',
      rawRequest(1, messages.lookup.opcode, Buffer.from('a\0b\0')),
      'TRAILING_BYTES: 2 bytes follow the last field',
    ],
    [
      'more nodes to forget than it has',
      batchForget(3, 2),
      'LIST_TOO_LONG: 3 nodes where 2 have room',
    ],
    [
      'nodes to forget without an end',
      batchForget(0xffff_ffff, 0),
      'LIST_TOO_LONG: 4294967295 nodes where 0 have room',
    ],
    [
      'fewer nodes to forget than it has',
      batchForget(1, 2),
      'TRAILING_BYTES: 16 bytes follow the last field',
    ],
    [
      'a WRITE of more than its data',
      changed(write, 56, 101),
      'TRUNCATED: size[4] is 101 in a WRITE of 100 bytes',
    ],
    [
      'a WRITE of less than its data',
      changed(write, 56, 0),
      'TRUNCATED: size[4] is 0 in a WRITE of 100 bytes',
    ],
    [
      'a value of more bytes than it has',
      changed(setxattr, 40, 6),
      'TRUNCATED: size[4] is 6 in a SETXATTR of 5 bytes',
    ],
    [
      'more bytes than any request but a WRITE has',
      rawRequest(1, messages.lookup.opcode, Buffer.alloc(REQUEST_BYTES_MAX)),
      `FRAME_TOO_LARGE: a request of ${REQUEST_BYTES_MAX + 40} bytes`,
    ],
  ]

  it.each(lies)('%s', (_what, bytes, reason) => {
    liar.open('file')
    liar.machine.send(1, bytes, 200)
    expectStopped(`protocol error ${reason}`)
  })

  it.each(lies)('%s, in the queue of high priority and in pieces', (_what, bytes, reason) => {
    liar.open('file')
    const cuts = bytes.length > 90 ? [1, 43, 81] : []
    liar.machine.send(0, bytes, 200, cuts)
    expectStopped(`protocol error ${reason}`)
  })

  it.each(messageNames.filter((name) => name !== 'init' && hasReply(name)))(
    '%s before INIT',
    (name) => {
      liar.restart()
      liar.send(1, name, {}, {}, 200)
      expectStopped(`protocol error NO_INIT: ${name} before INIT`)
    },
  )

  it('or after DESTROY', () => {
    liar.call('destroy')
    liar.send(2, 'getattr')
    expectStopped('protocol error NO_INIT: getattr before INIT')
  })

  it('the number of a request that waits, in another queue', () => {
    const { nodeid, fh } = liar.open('slow')
    const unique = liar.send(1, 'read', { fh, size: 10 }, { nodeid })
    liar.machine.send(2, requestBytes(unique, 'getattr', {}), 200)
    expectStopped(`protocol error DUPLICATE_TAG: ${unique} is the number of a request under way`)
    expect(tree.cancelled).toBe(1)
  })
})

function hasReply(name: MessageName): boolean {
  const { R }: Row = messages[name]
  return R !== null
}

describe('room for a reply', () => {
  it.each([0, 1, 15])('of %i bytes stops the device', (room) => {
    liar.machine.send(1, lookup, room)
    expectStopped(`a request with room for ${room} bytes of a reply`)
  })

  it('that is missing stops the device also where the opcode is unknown', () => {
    liar.machine.send(1, rawRequest(1, 4096, Buffer.alloc(0)), 15)
    expectStopped('a request with room for 15 bytes of a reply')
  })

  it.each([16, 17, 143])('of %i bytes has an error instead of an entry', (room) => {
    liar.machine.send(1, lookup, room)
    const [reply] = liar.machine.take(1)
    expect([reply?.length, reply?.readInt32LE(4)]).toEqual([16, -errno.EMSGSIZE])
    const line = `left ${room} bytes for the answer to lookup: it is EMSGSIZE instead`
    expect(liar.said).toEqual([line])
    expect(liar.errnoOf('getattr')).toBe(0)
  })

  it.each([0, 1, 15])('of %i bytes is no fault where there is no reply', (room) => {
    liar.send(0, 'forget', { count: 1 }, { nodeid: 9 }, room)
    liar.send(1, 'interrupt', { unique: 9 }, {}, room)
    liar.send(2, 'batchForget', { nodes: [] }, {}, room)
    expect([0, 1, 2].flatMap((index) => liar.machine.take(index))).toEqual(
      Array.from({ length: 3 }, () => Buffer.alloc(0)),
    )
    expectServed()
  })

  it.each([16, 17, 18, 116])('of %i bytes cuts a read of more', (room) => {
    const { nodeid, fh } = liar.open('big')
    liar.send(1, 'read', { fh, size: 0xffff_ffff }, { nodeid }, room)
    const [reply] = liar.machine.take(1)
    expect([reply!.length, reply!.readUInt32LE(0), reply!.readInt32LE(4)]).toEqual([room, room, 0])
    expectServed()
  })

  it('of more than a reply can have is not filled', () => {
    const { nodeid, fh } = liar.open('big')
    liar.send(1, 'read', { fh, size: 0xffff_ffff }, { nodeid }, IO_BYTES_MAX + 5000)
    expect(liar.machine.take(1)[0]!.length).toBe(16 + IO_BYTES_MAX)
    expectServed()
  })

  it('for no entry is EINVAL, and for some of them has these', () => {
    const { fh } = liar.call('opendir')
    expect(liar.errnoOf('readdir', { fh, size: 0 })).toBe(errno.EINVAL)
    expect(liar.errnoOf('readdir', { fh, size: 31 })).toBe(errno.EINVAL)
    expect(liar.errnoOf('readdirplus', { fh, size: 159 })).toBe(errno.EINVAL)
    const { data } = liar.call('readdir', { fh, size: 32 })
    expect(data.length).toBe(32)
    liar.send(1, 'readdirplus', { fh, size: 0xffff_ffff }, {}, 16 + 200)
    expect(liar.machine.take(1)[0]!.length).toBe(16 + 160)
    expectServed()
  })

  it('for a part of an attribute is ERANGE', () => {
    liar.call('setxattr', { name: 'user.a', value: payload('value') })
    expect(liar.errnoOf('getxattr', { name: 'user.a', size: 4 })).toBe(errno.ERANGE)
    liar.send(1, 'getxattr', { name: 'user.a', size: 0xffff_ffff }, {}, 20)
    expect(liar.machine.take(1)[0]!.readInt32LE(4)).toBe(-errno.ERANGE)
    const { data } = liar.call('getxattr', { name: 'user.a', size: 5 })
    expect(payloadBytes(data).toString()).toBe('value')
  })
})

describe('numbers that stand for nothing', () => {
  const unknownOpcodes = [
    0, 7, 19, 34, 37, 39, 40, 41, 48, 49, 53, 255, 4096, 0x7fff_ffff, 0xffff_ffff,
  ]

  it.each(unknownOpcodes)('opcode %i is ENOSYS', (opcode) => {
    for (const index of [0, 1]) {
      liar.machine.send(index, rawRequest(5, opcode, Buffer.alloc(50)), 100)
      const [reply] = liar.machine.take(index)
      expect([uniqueOf(reply!), reply!.length, reply!.readInt32LE(4)]).toEqual([
        5,
        16,
        -errno.ENOSYS,
      ])
    }
    expectServed()
  })

  it.each([0n, 2n, 77n, 2n ** 31n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n])(
    'node %i is ESTALE for each request that is about a node',
    (id) => {
      const withoutNode = new Set<MessageName>(['init', 'destroy', 'statx'])
      const refused = messageNames.filter((name) => {
        const fields: Row['T'] = messages[name].T
        const hasHandle = 'fh' in fields || 'nodeidOut' in fields
        return hasReply(name) && !hasHandle && !withoutNode.has(name)
      })
      expect(refused.length).toBeGreaterThan(15)
      for (const name of refused) {
        // Names that would be refused otherwise.
        const asked = {
          name: 'x',
          oldname: 'x',
          newname: 'x',
          target: 'x',
          newdir: 1,
          oldnodeid: 1,
        }
        const bytes = requestBytes(7, name, asked as never, { nodeid: 0 })
        bytes.writeBigUInt64LE(id, 16)
        liar.machine.send(1, bytes, 200)
        const [reply] = liar.machine.take(1)
        expect([name, reply!.readInt32LE(4)]).toEqual([name, -errno.ESTALE])
      }
      expectServed()
    },
  )

  it.each(['rename', 'rename2'] as const)('nor is another directory in a %s', (name) => {
    const asked = { newdir: 99, oldname: 'file', newname: 'x' }
    expect(liar.errnoOf(name, asked)).toBe(errno.ESTALE)
    expect(liar.errnoOf('link', { oldnodeid: 99, name: 'x' })).toBe(errno.ESTALE)
    expect(tree.calls.filter((call) => /^(rename|link)/.test(call))).toEqual([])
  })

  it.each([0, 99, 2 ** 53, 2 ** 63])('file handle %i is EBADF, where none was given', (fh) => {
    const nodeid = liar.find('file')
    const handled = messageNames.filter((name) => 'fh' in (messages[name].T as Row['T']))
    const optional = new Set<MessageName>(['getattr', 'statx', 'setattr'])
    // What has no handle of its own needs none to be closed or synced, and FLUSH has nothing to do for it.
    const ignores0 = new Set<MessageName>(['release', 'releasedir', 'flush', 'fsync', 'fsyncdir'])
    const refused = handled.filter(
      (name) => !optional.has(name) && !(fh === 0 && ignores0.has(name)),
    )
    expect(refused.length).toBeGreaterThan(9)
    for (const name of refused) {
      const asked = { fh, type: lock.WRLCK, size: 10, ...(name === 'write' ? { size: 0 } : {}) }
      expect([name, liar.errnoOf(name, asked as never, { nodeid })]).toEqual([name, errno.EBADF])
    }
    const { fh: own } = liar.call('open', { flags: 2 }, { nodeid })
    expect(own).not.toBe(fh)
    expect(liar.errnoOf('copyFileRange', { fh: own, fhOut: fh, length: 5 })).toBe(errno.EBADF)
    expectServed()
  })

  it.each([99, 2 ** 53, 2 ** 63])('nor is file handle %i one by which a node is meant', (fh) => {
    expect(liar.errnoOf('getattr', { flags: 1, fh })).toBe(errno.EBADF)
    expect(liar.errnoOf('statx', { flags: 1, fh })).toBe(errno.EBADF)
    expect(liar.errnoOf('setattr', { valid: setattr.FH | setattr.SIZE, fh })).toBe(errno.EBADF)
    expectServed()
  })

  it('a directory’s handle is none of a file, and the other way round', () => {
    const directory = liar.call('opendir').fh
    const { fh, nodeid } = liar.open('file')
    for (const name of ['read', 'write', 'lseek', 'fallocate', 'setlk', 'getlk'] as const) {
      const asked = { fh: directory, type: lock.WRLCK }
      expect([name, liar.errnoOf(name, asked as never)]).toEqual([name, errno.EISDIR])
    }
    for (const name of ['readdir', 'readdirplus'] as const) {
      expect(liar.errnoOf(name, { fh, size: 4096 }, { nodeid })).toBe(errno.ENOTDIR)
    }
    expectServed()
  })

  it('an offset of 2^53 or more fails only its request', () => {
    const { fh, nodeid } = liar.open('big')
    const at = 48
    for (const [name, ecode] of [
      ['read', errno.EFBIG],
      ['lseek', errno.ENXIO],
      ['fallocate', errno.EFBIG],
    ] as const) {
      const bytes = requestBytes(9, name, { fh }, { nodeid })
      bytes.writeBigUInt64LE(2n ** 63n, at)
      liar.machine.send(1, bytes, 200)
      expect([name, liar.machine.take(1)[0]!.readInt32LE(4)]).toEqual([name, -ecode])
    }
    expectServed()
  })
})

describe('forgetting', () => {
  it.each([2, 3, 1000, 2 ** 53, 2 ** 63])(
    'a node %i times that was told once, forgets it once',
    (count) => {
      const nodeid = liar.find('file')
      for (let i = 0; i < 3; i++) liar.send(0, 'forget', { count }, { nodeid })
      expect(liar.errnoOf('getattr', {}, { nodeid })).toBe(errno.ESTALE)
      expect(liar.find('file')).not.toBe(nodeid)
      expect(tree.faults).toEqual([])
      expectServed()
    },
  )

  it('less often than it was told keeps it', () => {
    const nodeid = liar.find('file')
    expect([liar.find('file'), liar.find('file')]).toEqual([nodeid, nodeid])
    liar.send(0, 'forget', { count: 0 }, { nodeid })
    liar.send(2, 'forget', { count: 2 }, { nodeid })
    expect(liar.errnoOf('getattr', {}, { nodeid })).toBe(0)
    liar.send(1, 'forget', { count: 1 }, { nodeid })
    liar.machine.take(1)
    expect(liar.errnoOf('getattr', {}, { nodeid })).toBe(errno.ESTALE)
  })

  it('the root, what was never told, and one node several times in one request', () => {
    const nodeid = liar.find('file')
    const nodes = [1, 0, 99, nodeid, nodeid, 2 ** 53, 1].map((id) => ({
      nodeid: id,
      count: 2 ** 53,
    }))
    liar.send(0, 'batchForget', { nodes })
    expect(liar.machine.take(0)).toEqual([Buffer.alloc(0)])
    expect(liar.errnoOf('lookup', { name: 'file' })).toBe(0)
    expect(tree.faults).toEqual([])
    expectServed()
  })

  it('a node whose file is open leaves the file open, and nothing can be told of the node', () => {
    const { nodeid, fh } = liar.open('file')
    liar.send(0, 'forget', { count: 1 }, { nodeid })
    expect(payloadBytes(liar.call('read', { fh, size: 9 }, { nodeid }).data).toString()).toBe(
      'hello',
    )
    for (const name of ['getattr', 'statx'] as const) {
      expect(liar.errnoOf(name, { flags: 1, fh })).toBe(errno.ESTALE)
    }
    expect(liar.errnoOf('release', { fh })).toBe(0)
    expectServed()
  })
})

describe('an interrupt', () => {
  it.each([0, 1, 2 ** 53, 2 ** 63])('of %i, which is under way nowhere, does nothing', (unique) => {
    for (const index of [0, 1, 2]) {
      liar.send(index, 'interrupt', { unique })
      expect(liar.machine.take(index)).toEqual([Buffer.alloc(0)])
    }
    expectServed()
  })

  it('of itself, and of a request that was answered, does nothing', () => {
    const answered = liar.send(1, 'getattr')
    liar.machine.take(1)
    liar.send(0, 'interrupt', { unique: answered })
    liar.machine.send(0, requestBytes(500, 'interrupt', { unique: 500 }), 0)
    expect(liar.machine.take(0).length).toBe(2)
    expect(liar.machine.take(1)).toEqual([])
    expectServed()
  })

  it.each([0, 1, 2])(
    'in queue %i ends a request of queue 1 once, however often it comes',
    (index) => {
      const { nodeid, fh } = liar.open('slow')
      const unique = liar.send(1, 'read', { fh, size: 10 }, { nodeid })
      for (let i = 0; i < 3; i++) liar.send(index, 'interrupt', { unique })
      const replies = [0, 1, 2]
        .flatMap((each) => liar.machine.take(each))
        .filter(({ length }) => length > 0)
      expect(replies.map((reply) => [uniqueOf(reply), reply.readInt32LE(4)])).toEqual([
        [unique, -errno.EINTR],
      ])
      tree.parked[0]!.resolve(Buffer.from('too late'))
      expect([tree.cancelled, liar.machine.take(1)]).toEqual([1, []])
      expectServed()
    },
  )
})

describe('the data of a WRITE', () => {
  it('may be cut anywhere', () => {
    using host = hostMachine()
    const content = Buffer.from(Array.from({ length: 300 }, (_, i) => i & 0xff))
    const { fh, nodeid } = host.machine.open('file')
    const bytes = requestBytes(2000, 'write', { fh, data: payload(content) }, { nodeid })
    const ways = [[], [40], [80], [40, 80], [1, 2, 3], [79], [81], [41, 79, 81, 82, 200], [379]]
    for (const [i, cuts] of ways.entries()) {
      const at = Buffer.from(bytes)
      at.writeBigUInt64LE(BigInt(i * 300), 48)
      host.machine.machine.send(1, at, 100, cuts)
      expect(fieldsOf('write', host.machine.machine.take(1)[0]!)).toMatchObject({ size: 300 })
    }
    const { data } = host.machine.call('read', { fh, size: 10_000 }, { nodeid })
    expect(payloadBytes(data).equals(Buffer.concat(ways.map(() => content)))).toBe(true)
  })

  it.each([[[]], [[80]], [[40, 80, 81]]])('end where extensions begin, cut at %j', (cuts) => {
    using host = hostMachine()
    const { fh, nodeid } = host.machine.open('file')
    const bytes = extended(
      requestBytes(2000, 'write', { fh, data: payload('data') }, { nodeid }),
      2,
    )
    host.machine.machine.send(1, bytes, 100, cuts)
    expect(fieldsOf('write', host.machine.machine.take(1)[0]!)).toMatchObject({ size: 4 })
    const { data } = host.machine.call('read', { fh, size: 100 }, { nodeid })
    expect(payloadBytes(data).toString()).toBe('data')
  })

  it('are not there where extensions reach over them', () => {
    const { fh } = liar.open('file')
    const bytes = requestBytes(2000, 'write', { fh, data: payload('w'.repeat(20)) })
    bytes.writeUInt16LE(2, 36)
    liar.machine.send(1, bytes, 100)
    expectStopped('protocol error TRUNCATED: size[4] is 20 in a WRITE of 4 bytes')
    expect(tree.calls.filter((call) => call.startsWith('write'))).toEqual([])
  })

  it('nor are the fields, where they reach over these', () => {
    const { fh } = liar.open('file')
    const bytes = requestBytes(2000, 'write', { fh, data: payload('w'.repeat(20)) })
    bytes.writeUInt16LE(3, 36)
    liar.machine.send(1, bytes, 100)
    expectStopped('protocol error TRUNCATED: the frame ends 4 bytes too early')
  })
})

/** A machine on a directory of the host with an empty file. */
function hostMachine(): { readonly machine: FsMachine } & Disposable {
  const directory = temporaryDirectory()
  writeFileSync(join(directory, 'file'), '')
  const host = new HostTree(directory, sharePolicy, new ManualTimers().later)
  const machine = new FsMachine(host).begin()
  return {
    machine,
    [Symbol.dispose]: () => {
      machine[Symbol.dispose]()
      host.close()
    },
  }
}

describe('memory that changes while it is read', () => {
  /** Changes the request between two looks at it. */
  function changing(bytes: Buffer, change: (request: Buffer) => void): void {
    // A machine that had no request so far, since chains are used again.
    liar[Symbol.dispose]()
    liar = new FsMachine(tree)
    const { device, machine } = liar
    const serve = device.serverFor.bind(device)
    let address = 0
    let looks = 0
    device.serverFor = (chain) => {
      const copyTo = chain.readable.copyTo.bind(chain.readable)
      chain.readable.copyTo = (...where) => {
        const copied = copyTo(...where)
        if (address > 0) {
          looks++
          change(machine.ram.bytes(address, bytes.length))
        }
        return copied
      }
      return serve(chain)
    }
    liar.begin()
    const need = machine.heap.need.bind(machine.heap)
    machine.heap.need = (size, skip) => {
      const found = need(size, skip)
      if (size === bytes.length && address === 0) address = found
      return found
    }
    machine.send(1, bytes, 200)
    expect(looks).toBeGreaterThan(0)
  }

  it('has the opcode that it had at the first look', () => {
    const asked = requestBytes(3000, 'lookup', { name: 'file' })
    changing(asked, (request) => request.writeUInt32LE(messages.unlink.opcode, 4))
    expect(fieldsOf('lookup', liar.machine.take(1)[0]!).entry.nodeid).toBeGreaterThan(1)
    expect(tree.calls.filter((call) => call.startsWith('unlink'))).toEqual([])
    expectServed()
  })

  it('and the length, the number and the node', () => {
    const asked = requestBytes(3000, 'lookup', { name: 'file' })
    changing(asked, (request) => request.fill(0xff, 0, 40))
    expect(fieldsOf('lookup', liar.machine.take(1)[0]!).entry.nodeid).toBeGreaterThan(1)
    expectServed()
  })
})

describe('a request that waits', () => {
  function waiting(): { readonly unique: number } {
    const { nodeid, fh } = liar.open('slow')
    return { unique: liar.send(1, 'read', { fh, size: 100 }, { nodeid }) }
  }

  function expectAnswered(unique: number, text: string): void {
    const [reply, ...more] = liar.machine.take(1)
    expect([uniqueOf(reply!), payloadBytes(fieldsOf('read', reply!).data).toString()]).toEqual([
      unique,
      text,
    ])
    expect(more).toEqual([])
  }

  it('is answered once after a pause, before or after which its answer comes', () => {
    const first = waiting()
    let bases = liar.stop()
    tree.parked[0]!.resolve(Buffer.from('during'))
    expect(liar.machine.take(1)).toEqual([])
    liar.start(bases)
    expectAnswered(first.unique, 'during')
    const second = waiting()
    bases = liar.stop()
    liar.start(bases)
    expect(liar.machine.take(1)).toEqual([])
    tree.parked[1]!.resolve(Buffer.from('afterwards'))
    expectAnswered(second.unique, 'afterwards')
    expectServed()
  })

  it('is interrupted through another queue while its own is stopped', () => {
    const { unique } = waiting()
    const base = liar.machine.stop(1)
    liar.send(0, 'interrupt', { unique })
    expect(liar.machine.take(1)).toEqual([])
    liar.machine.start(1, base)
    const [reply] = liar.machine.take(1)
    expect([uniqueOf(reply!), reply!.readInt32LE(4)]).toEqual([unique, -errno.EINTR])
    expectServed()
  })

  it.each([0, 15, 16, 99, 117])(
    'stops the device if its room has become %i bytes when memory is told anew',
    (room) => {
      waiting()
      const { driver } = liar.machine.queues[1]!
      const address = liar.machine.heap.need(200)
      // The device has the request at descriptors that it can look at once more.
      const head = lastHead()
      const table = indirectTable(head)
      driver.describe(table, 1, { address, length: room, flags: WRITE })
      liar.machine.tellMemory()
      expect(tree.cancelled).toBe(1)
      expectStopped('a chain that has changed while the device had it')
    },
  )

  it('stops the device also where its answer has come meanwhile', () => {
    waiting()
    const bases = liar.stop()
    tree.parked[0]!.resolve(Buffer.from('x'.repeat(100)))
    const { driver } = liar.machine.queues[1]!
    driver.describe(indirectTable(lastHead()), 0, { address: 0, length: 8, flags: NEXT, next: 1 })
    liar.start(bases)
    expectStopped('a chain that has changed while the device had it')
  })

  /** The head of the chain that was made available last in queue 1. */
  function lastHead(): number {
    const { driver } = liar.machine.queues[1]!
    const words = driver.availableWords
    return words[2 + ((words[1]! - 1) & (driver.size - 1))]!
  }

  function indirectTable(head: number): number {
    const { driver } = liar.machine.queues[1]!
    return Number(liar.machine.ram.view(driver.descriptors + 16 * head, 16).getBigUint64(0, true))
  }

  it('comes back without an answer when INIT is said again', () => {
    waiting()
    const unique = liar.send(2, 'init', linuxInit)
    expect(uniqueOf(liar.machine.take(2)[0]!)).toBe(unique)
    expect(liar.machine.take(1)).toEqual([Buffer.alloc(0)])
    tree.parked[0]!.resolve(Buffer.from('too late'))
    expect([tree.cancelled, liar.machine.take(1)]).toEqual([1, []])
    expectServed()
  })

  it('is ENOMEM, or for a lock ENOLCK, beyond the limit, and nothing waits on', () => {
    liar[Symbol.dispose]()
    liar = new FsMachine(tree, { limits: { parked: 1 } }).begin()
    const { nodeid, fh } = liar.open('slow')
    const file = liar.open('file')
    liar.send(1, 'read', { fh, size: 10 }, { nodeid })
    const range = { fh: file.fh, end: 5n, type: lock.WRLCK }
    liar.send(2, 'setlkw', range, { nodeid: file.nodeid })
    liar.send(0, 'read', { fh, size: 10 }, { nodeid })
    expect(liar.machine.take(2)[0]!.readInt32LE(4)).toBe(-errno.ENOLCK)
    expect(liar.machine.take(0)[0]!.readInt32LE(4)).toBe(-errno.ENOMEM)
    expect(liar.said.length).toBe(1)
  })
})

describe('beginning again', () => {
  it.each(['INIT', 'DESTROY', 'a reset of the device'])(
    'with %s closes all files and forgets all nodes, whose numbers stand for nothing then',
    (how) => {
      const opened = [liar.open('file'), liar.open('big')]
      liar.call('opendir')
      const before = tree.openFiles
      if (how === 'INIT') liar.begin()
      else if (how === 'DESTROY') {
        liar.call('destroy')
        liar.begin()
      } else liar.restart().begin()
      expect([before, tree.openFiles]).toEqual([3, 0])
      for (const { nodeid, fh } of opened) {
        expect(liar.errnoOf('getattr', {}, { nodeid })).toBe(errno.ESTALE)
        expect(liar.errnoOf('read', { fh, size: 1 }, { nodeid })).toBe(errno.EBADF)
      }
      const again = liar.open('file')
      expect(opened.map(({ nodeid }) => nodeid)).not.toContain(again.nodeid)
      expect(opened.map(({ fh }) => fh)).not.toContain(again.fh)
      expectServed()
    },
  )

  it.each([
    [6, 40],
    [7, 0],
    [7, 30],
    [0, 0],
  ])('with protocol %i.%i is refused, and what was agreed on stays', (major, minor) => {
    const nodeid = liar.find('file')
    expect(liar.errnoOf('init', { ...linuxInit, major, minor })).toBe(errno.EINVAL)
    expect(liar.errnoOf('getattr', {}, { nodeid })).toBe(0)
    expectServed()
  })

  it('with a later protocol is told of this one', () => {
    const answer = liar.call('init', { ...linuxInit, major: 8, minor: 0 })
    expect([answer.major, answer.minor]).toEqual([7, 39])
    expectServed()
  })

  it('with flags that are none agrees on none of them', () => {
    const all = { flags: 0xffff_ffff, flags2: 0xffff_ffff }
    const { flags, flags2 } = liar.call('init', { ...linuxInit, ...all })
    const known = Object.values(init).reduce((sum, flag) => sum | flag, 0n)
    expect((BigInt(flags) | (BigInt(flags2) << 32n)) & ~known).toBe(0n)
    expectServed()
  })
})

describe('a driver that uses many queues', () => {
  /** A turn of `requests` requests. */
  function turnOf(requests: number): Turn {
    let asked = 0
    return {
      get isOver() {
        return ++asked >= requests
      },
    }
  }

  const queues = 3

  it('has one turn for all of them, and they take it in turns', () => {
    for (let index = 0; index < queues; index++) {
      for (let i = 0; i < 20; i++) liar.machine.offer(index, requestBytes(i, 'getattr', {}), 200)
    }
    const { polled } = liar.machine
    expect(polled.length).toBe(1)
    const answered = [0, 0, 0]
    for (let turn = 0; turn < 6; turn++) {
      polled[0]!.poll(turnOf(5))
      const now = answered.map((_, index) => liar.machine.take(index).length)
      expect(now.filter((count) => count > 0).length).toBe(1)
      for (const [index, count] of now.entries()) answered[index]! += count
    }
    expect(answered).toEqual([10, 10, 10])
    while (polled[0]!.poll(turnOf(5))) {
      for (const index of answered.keys()) answered[index]! += liar.machine.take(index).length
    }
    expect(answered).toEqual([20, 20, 20])
    expectServed()
  })

  it('has no further turn for each notification, once its turn was over', () => {
    for (let index = 0; index < queues; index++) {
      for (let i = 0; i < 20; i++) liar.machine.offer(index, requestBytes(i, 'getattr', {}), 200)
    }
    for (let index = 0; index < queues; index++) liar.machine.kick(index)
    liar.machine.turn(turnOf(5))
    const counts = [0, 1, 2].map((index) => liar.machine.take(index).length)
    expect(counts.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(5)
    while (liar.machine.polled[0]!.poll(turnOf(50)));
    for (const index of [0, 1, 2]) liar.machine.take(index)
    expectServed()
  })
})
