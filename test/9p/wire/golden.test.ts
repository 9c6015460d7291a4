import { describe, expect, it } from 'vitest'
import {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
  fromText,
  heapMemory,
  type MessageName,
  type R,
  requestOfType,
  type T,
  Writer,
} from '../../../src/9p/index.ts'
import { bodyReader, hex } from '../../support/frames.ts'

// Written by hand, byte by byte, from the manual (intro(5), version(5), walk(5)) and from diod's
// protocol.md for the .L messages: a mistake that encoder and decoder share cannot pass here.

function requestIs<M extends MessageName>(name: M, tag: number, fields: T<M>, bytes: Buffer): void {
  const memory = heapMemory(4096)
  const to = new Writer(memory).over(memory, 0, 4096)
  encodeRequest(to, tag, name, fields)
  expect(memory.bytes.toString('hex', 0, to.position)).toBe(bytes.toString('hex'))
  expect(requestOfType(bytes[4]!)?.name).toBe(name)
  expect(decodeRequest(requestOfType(bytes[4]!)!, bodyReader(bytes))).toEqual(fields)
}

function replyIs<M extends MessageName>(name: M, tag: number, fields: R<M>, bytes: Buffer): void {
  const memory = heapMemory(4096)
  const to = new Writer(memory).over(memory, 0, 4096)
  encodeReply(to, tag, name, fields)
  expect(memory.bytes.toString('hex', 0, to.position)).toBe(bytes.toString('hex'))
  expect(decodeReply(name, bytes[4]!, bodyReader(bytes))).toEqual({ ok: true, fields })
}

describe('the bytes of the specification', () => {
  it('Tversion and Rversion', () => {
    const bytes = (type: string): Buffer =>
      hex('15000000', type, 'ffff', '18000200', '0800', '39503230 30302e4c')
    const fields = { msize: 131096, version: '9P2000.L' }
    requestIs('version', 0xffff, fields, bytes('64'))
    replyIs('version', 0xffff, fields, bytes('65'))
  })

  it('Tattach has n_uname', () => {
    requestIs(
      'attach',
      1,
      { fid: 0, afid: 0xffff_ffff, uname: 'root', aname: '', uid: 1000 },
      hex('1b000000 68 0100', '00000000', 'ffffffff', '0400 726f6f74', '0000', 'e8030000'),
    )
  })

  it('Twalk and Rwalk', () => {
    requestIs(
      'walk',
      0x0203,
      { fid: 1, newfid: 0x0a0b0c0d, names: ['usr', fromText('é')] },
      hex('1a000000 6e 0302', '01000000', '0d0c0b0a', '0200', '0300 757372', '0200 c3a9'),
    )
    replyIs(
      'walk',
      0x0203,
      { qids: [{ type: 0x80, version: 7, path: 0x0102030405060708n }] },
      hex('16000000 6f 0302', '0100', '80 07000000 0807060504030201'),
    )
  })

  it('Tgetattr and Rgetattr, born before 1970', () => {
    requestIs(
      'getattr',
      5,
      { fid: 9, mask: 0x7ff },
      hex('13000000 18 0500 09000000 ff07000000000000'),
    )
    replyIs(
      'getattr',
      5,
      {
        valid: 0x17ff,
        qid: { type: 0, version: 1, path: 0xffff_ffff_ffff_ffffn },
        mode: 0o100644,
        uid: 1000,
        gid: 0xffff_fffe,
        nlink: 1,
        rdev: 0,
        size: 0x1_0000_0002,
        blksize: 4096,
        blocks: 8,
        atimeSec: -1,
        atimeNsec: 999_999_999,
        mtimeSec: -0x1_0000_0001,
        mtimeNsec: 1,
        ctimeSec: 0x8000_0000,
        ctimeNsec: 0,
        btimeSec: 0,
        btimeNsec: 0,
        gen: 0,
        dataVersion: 0,
      },
      hex(
        'a0000000 19 0500',
        'ff17000000000000', // valid
        '00 01000000 ffffffffffffffff', // qid
        'a4810000', // mode
        'e8030000 feffffff', // uid, gid
        '0100000000000000', // nlink
        '0000000000000000', // rdev
        '0200000001000000', // size
        '0010000000000000', // blksize
        '0800000000000000', // blocks
        'ffffffffffffffff ffc99a3b00000000', // atime
        'fffffffffeffffff 0100000000000000', // mtime
        '0000008000000000 0000000000000000', // ctime
        '0000000000000000 0000000000000000', // btime
        '0000000000000000 0000000000000000', // gen, data_version
      ),
    )
  })

  it('Tsetattr', () => {
    requestIs(
      'setattr',
      6,
      {
        fid: 2,
        valid: 0x1ff,
        mode: 0o644,
        uid: 1,
        gid: 2,
        size: 0x1_0000_0000,
        atimeSec: -2,
        atimeNsec: 3,
        mtimeSec: 4,
        mtimeNsec: 5,
      },
      hex(
        '43000000 1a 0600 02000000 ff010000 a4010000 01000000 02000000',
        '0000000001000000',
        'feffffffffffffff 0300000000000000',
        '0400000000000000 0500000000000000',
      ),
    )
  })

  it('Tlopen, Rlopen and Tlcreate', () => {
    requestIs('lopen', 1, { fid: 3, flags: 0o1100000 }, hex('0f000000 0c 0100 03000000 00800400'))
    replyIs(
      'lopen',
      1,
      { qid: { type: 2, version: 3, path: 4n }, iounit: 0 },
      hex('18000000 0d 0100 02 03000000 0400000000000000 00000000'),
    )
    requestIs(
      'lcreate',
      1,
      { fid: 3, name: '\u00ff', flags: 0o101, mode: 0o100600, gid: 7 },
      hex('1a000000 0e 0100 03000000 0100 ff 41000000 80810000 07000000'),
    )
  })

  it('Treaddir, Tread and Tflush', () => {
    requestIs(
      'readdir',
      2,
      { fid: 1, offset: 0x7fff_ffff_ffff_ffffn, count: 8192 },
      hex('17000000 28 0200 01000000 ffffffffffffff7f 00200000'),
    )
    requestIs(
      'read',
      2,
      { fid: 1, offset: 0x1_0000_0000, count: 4096 },
      hex('17000000 74 0200 01000000 0000000001000000 00100000'),
    )
    requestIs('flush', 3, { oldtag: 2 }, hex('09000000 6c 0300 0200'))
    replyIs('flush', 3, {}, hex('07000000 6d 0300'))
  })

  it('Tfsync has datasync, Tunlinkat has flags', () => {
    requestIs('fsync', 2, { fid: 1, datasync: 1 }, hex('0f000000 32 0200 01000000 01000000'))
    requestIs(
      'unlinkat',
      2,
      { dirfid: 1, name: 'd', flags: 0x200 },
      hex('12000000 4c 0200 01000000 0100 64 00020000'),
    )
  })

  it('Tmknod, Trename and Tremove', () => {
    requestIs(
      'mknod',
      2,
      { dfid: 1, name: 'n', mode: 0o20644, major: 4, minor: 64, gid: 5 },
      hex('1e000000 12 0200 01000000 0100 6e a4210000 04000000 40000000 05000000'),
    )
    requestIs(
      'rename',
      2,
      { fid: 1, dfid: 3, name: 'n' },
      hex('12000000 14 0200 01000000 03000000 0100 6e'),
    )
    requestIs('remove', 2, { fid: 1 }, hex('0b000000 7a 0200 01000000'))
    replyIs('remove', 2, {}, hex('07000000 7b 0200'))
  })

  it('Txattrwalk and Txattrcreate', () => {
    requestIs(
      'xattrwalk',
      2,
      { fid: 1, newfid: 3, name: 'user.a' },
      hex('17000000 1e 0200 01000000 03000000 0600 757365722e61'),
    )
    replyIs('xattrwalk', 2, { size: 5 }, hex('0f000000 1f 0200 0500000000000000'))
    requestIs(
      'xattrcreate',
      2,
      { fid: 1, name: 'a', size: 5n, flags: 2 },
      hex('1a000000 20 0200 01000000 0100 61 0500000000000000 02000000'),
    )
  })

  it('Tlock and Tgetlock', () => {
    const range = { start: 1n, length: 0x7fff_ffff_ffff_ffffn, procId: 9, clientId: 'g' }
    const bytes = '0100000000000000 ffffffffffffff7f 09000000 0100 67'
    requestIs(
      'lock',
      2,
      { fid: 1, type: 1, flags: 1, ...range },
      hex('27000000 34 0200 01000000 01 01000000', bytes),
    )
    replyIs('lock', 2, { status: 1 }, hex('08000000 35 0200 01'))
    requestIs(
      'getlock',
      2,
      { fid: 1, type: 2, ...range },
      hex('23000000 36 0200 01000000 02', bytes),
    )
    replyIs('getlock', 2, { type: 2, ...range }, hex('1f000000 37 0200 02', bytes))
  })

  it('Tauth has n_uname', () => {
    requestIs(
      'auth',
      2,
      { afid: 1, uname: 'r', aname: '/', uid: 3 },
      hex('15000000 66 0200 01000000 0100 72 0100 2f 03000000'),
    )
  })

  it('Rstatfs', () => {
    replyIs(
      'statfs',
      2,
      {
        type: 0x01021997,
        bsize: 4096,
        blocks: 1n,
        bfree: 2n,
        bavail: 3n,
        files: 4n,
        ffree: 5n,
        fsid: 6n,
        namelen: 255,
      },
      hex(
        '43000000 09 0200 97190201 00100000',
        '0100000000000000 0200000000000000 0300000000000000',
        '0400000000000000 0500000000000000 0600000000000000',
        'ff000000',
      ),
    )
  })
})
