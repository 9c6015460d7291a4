import type { Payload } from '../../sys/memory.ts'
import { payloadBytes } from '../../sys/memory.ts'
import { type Reader, type Writer, putSize } from '../../wire/cursor.ts'
import { ProtocolError } from '../../wire/protocol-error.ts'
import type { Kind } from '../../wire/struct.ts'

const TWO_32 = 0x1_0000_0000

/** A file's attributes (struct fuse_attr), under the names of tree/attributes.ts. */
export interface FileAttributes {
  readonly ino: bigint
  readonly size: number
  readonly blocks: number
  readonly atimeSec: number
  readonly mtimeSec: number
  readonly ctimeSec: number
  readonly atimeNsec: number
  readonly mtimeNsec: number
  readonly ctimeNsec: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly blksize: number
}

/** The same with the time of birth (struct fuse_statx). */
export interface FileStatx extends FileAttributes {
  readonly hasBtime: boolean
  readonly btimeSec: number
  readonly btimeNsec: number
}

/** How long a client may rely on something, in seconds; not a whole number for less than one second. */
export type Validity = number

/** A name's node, as the client may keep it (struct fuse_entry_out). */
export interface Entry {
  /** 0: there is no such file, which the client may keep as well. */
  readonly nodeid: number
  readonly entryValid: Validity
  readonly attrValid: Validity
  readonly attributes: FileAttributes
  /** FUSE_ATTR_*. */
  readonly flags: number
}

/** A node's attributes, as the client may keep them (struct fuse_attr_out). */
export interface AttributesFor {
  readonly attrValid: Validity
  readonly attributes: FileAttributes
  readonly flags: number
}

/** One node of a BATCH_FORGET. */
export interface Forgotten {
  readonly nodeid: number
  readonly count: number
}

const u16: Kind<number> = { least: 2, read: (r) => r.u16(), write: (w, v) => w.u16(v) }
const u32: Kind<number> = { least: 4, read: (r) => r.u32(), write: (w, v) => w.u32(v) }
const u64: Kind<bigint> = { least: 8, read: (r) => r.u64(), write: (w, v) => w.u64(v) }
const size: Kind<number> = { least: 8, read: (r) => r.size(), write: (w, v) => w.size(v) }
const seconds: Kind<number> = { least: 8, read: (r) => r.seconds(), write: (w, v) => w.seconds(v) }

/**
 * A number of 64 bits that the server has given out, such as a node's. It is not exact from 2^53 on, and the server gives out
 * none of these.
 */
const id: Kind<number> = {
  least: 8,
  read(from) {
    const at = from.take(8)
    const { view } = from.memory
    return view.getUint32(at + 4, true) * TWO_32 + view.getUint32(at, true)
  },
  write: (to, value) => to.size(value),
}

/** Bytes without a meaning. */
function padding(bytes: number): Kind<undefined> {
  return {
    least: bytes,
    read(from) {
      from.take(bytes)
    },
    write(to) {
      const at = to.take(bytes)
      to.memory.bytes.fill(0, at, at + bytes)
    },
  }
}

/** A byte string with a NUL behind it. */
const name: Kind<string> = {
  least: 1,
  read(from) {
    const { bytes } = from.memory
    const start = from.position
    const end = bytes.indexOf(0, start)
    if (end < 0 || end >= from.end) throw new ProtocolError('TRUNCATED', 'a name without its end')
    from.take(end + 1 - start)
    return bytes.toString('latin1', start, end)
  },
  write(to, value) {
    const at = to.take(value.length + 1)
    to.memory.bytes.write(value, at, 'latin1')
    to.memory.view.setUint8(at + value.length, 0)
  },
}

/** All bytes up to the end of the message. They are not copied: the value says where they lie. */
const data: Kind<Payload> = {
  least: 0,
  read(from) {
    const length = from.end - from.position
    return { memory: from.memory, offset: from.take(length), length, pieces: from.tail }
  },
  write(to, payload) {
    const start = to.take(payload.length)
    to.memory.bytes.set(payloadBytes(payload), start)
  },
}

/** What INIT has behind the fields of 7.6: flags2 and reserved bytes since 7.36, nothing before. */
const extension: Kind<number> = {
  least: 0,
  read(from) {
    const more = from.end - from.position
    const flags2 = more >= 4 ? from.u32() : 0
    from.take(from.end - from.position)
    return flags2
  },
  write(to, value) {
    to.u32(value)
    const at = to.take(44)
    to.memory.bytes.fill(0, at, at + 44)
  },
}

const forgotten: Kind<readonly Forgotten[]> = {
  least: 8,
  read(from) {
    const count = from.u32()
    from.take(4)
    const most = Math.floor((from.end - from.position) / 16)
    if (count > most) {
      throw new ProtocolError('LIST_TOO_LONG', `${count} nodes where ${most} have room`)
    }
    const list: Forgotten[] = []
    for (let i = 0; i < count; i++) list.push({ nodeid: id.read(from), count: id.read(from) })
    return list
  },
  write(to, list) {
    to.u32(list.length)
    to.u32(0)
    for (const { nodeid, count } of list) {
      to.size(nodeid)
      to.size(count)
    }
  },
}

/** The bytes of struct fuse_attr. */
const ATTR_BYTES = 88

/** Writes struct fuse_attr in one go, since it is a part of most replies. */
function putAttributes(to: Writer, a: FileAttributes, flags: number): void {
  const at = to.take(ATTR_BYTES)
  const { view } = to.memory
  view.setBigUint64(at, a.ino, true)
  putSize(view, at + 8, a.size)
  putSize(view, at + 16, a.blocks)
  putSeconds(view, at + 24, a.atimeSec)
  putSeconds(view, at + 32, a.mtimeSec)
  putSeconds(view, at + 40, a.ctimeSec)
  view.setUint32(at + 48, a.atimeNsec, true)
  view.setUint32(at + 52, a.mtimeNsec, true)
  view.setUint32(at + 56, a.ctimeNsec, true)
  view.setUint32(at + 60, a.mode, true)
  view.setUint32(at + 64, a.nlink, true)
  view.setUint32(at + 68, a.uid, true)
  view.setUint32(at + 72, a.gid, true)
  view.setUint32(at + 76, a.rdev, true)
  view.setUint32(at + 80, a.blksize, true)
  view.setUint32(at + 84, flags, true)
}

function putSeconds(view: DataView, at: number, value: number): void {
  const high = Math.floor(value / TWO_32)
  view.setUint32(at, value - high * TWO_32, true)
  view.setInt32(at + 4, high, true)
}

function takeAttributes(from: Reader): FileAttributes & { readonly flags: number } {
  return {
    ino: from.u64(),
    size: from.size(),
    blocks: from.size(),
    atimeSec: from.seconds(),
    mtimeSec: from.seconds(),
    ctimeSec: from.seconds(),
    atimeNsec: from.u32(),
    mtimeNsec: from.u32(),
    ctimeNsec: from.u32(),
    mode: from.u32(),
    nlink: from.u32(),
    uid: from.u32(),
    gid: from.u32(),
    rdev: from.u32(),
    blksize: from.u32(),
    flags: from.u32(),
  }
}

/** A validity's part below a second, in nanoseconds. */
function nanoseconds(validity: Validity): number {
  return Math.round((validity % 1) * 1e9)
}

/** nodeid[8] generation[8] entry_valid[8] attr_valid[8] entry_valid_nsec[4] attr_valid_nsec[4] attr */
export function putEntry(to: Writer, entry: Entry): void {
  const at = to.take(40)
  const { view } = to.memory
  putSize(view, at, entry.nodeid)
  // Node ids are never used again, so they need no generation.
  putSize(view, at + 8, 0)
  putSize(view, at + 16, Math.floor(entry.entryValid))
  putSize(view, at + 24, Math.floor(entry.attrValid))
  view.setUint32(at + 32, nanoseconds(entry.entryValid), true)
  view.setUint32(at + 36, nanoseconds(entry.attrValid), true)
  putAttributes(to, entry.attributes, entry.flags)
}

const entry: Kind<Entry> = {
  least: 40 + ATTR_BYTES,
  read(from) {
    const nodeid = id.read(from)
    from.take(8)
    const entrySeconds = from.size()
    const attrSeconds = from.size()
    const entryValid = entrySeconds + from.u32() / 1e9
    const attrValid = attrSeconds + from.u32() / 1e9
    const attributes = takeAttributes(from)
    return { nodeid, entryValid, attrValid, attributes, flags: attributes.flags }
  },
  write: putEntry,
}

/** attr_valid[8] attr_valid_nsec[4] dummy[4] attr */
const attributes: Kind<AttributesFor> = {
  least: 16 + ATTR_BYTES,
  read(from) {
    const attrSeconds = from.size()
    const attrValid = attrSeconds + from.u32() / 1e9
    from.take(4)
    const found = takeAttributes(from)
    return { attrValid, attributes: found, flags: found.flags }
  },
  write(to, { attrValid, attributes: found, flags }) {
    const at = to.take(16)
    const { view } = to.memory
    putSize(view, at, Math.floor(attrValid))
    view.setUint32(at + 8, nanoseconds(attrValid), true)
    view.setUint32(at + 12, 0, true)
    putAttributes(to, found, flags)
  },
}

/** STATX_BASIC_STATS and STATX_BTIME (include/uapi/linux/stat.h). */
const BASIC_STATS = 0x7ff
const BTIME = 0x800

/** struct fuse_statx, with the layout of statx(2): 256 bytes. */
const statx: Kind<FileStatx> = {
  least: 256,
  read(from) {
    const mask = from.u32()
    const blksize = from.u32()
    from.take(8)
    const nlink = from.u32()
    const uid = from.u32()
    const gid = from.u32()
    const mode = from.u16()
    from.take(2)
    const ino = from.u64()
    const bytes = from.size()
    const blocks = from.size()
    from.take(8)
    const [accessed, born, changed, modified] = [time(from), time(from), time(from), time(from)]
    const major = from.u32()
    const minor = from.u32()
    from.take(256 - 136)
    return {
      ino,
      size: bytes,
      blocks,
      atimeSec: accessed.seconds,
      mtimeSec: modified.seconds,
      ctimeSec: changed.seconds,
      btimeSec: born.seconds,
      atimeNsec: accessed.nanoseconds,
      mtimeNsec: modified.nanoseconds,
      ctimeNsec: changed.nanoseconds,
      btimeNsec: born.nanoseconds,
      hasBtime: (mask & BTIME) !== 0,
      mode,
      nlink,
      uid,
      gid,
      rdev: ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0,
      blksize,
    }
  },
  write(to, a) {
    const at = to.take(256)
    const { view, bytes } = to.memory
    bytes.fill(0, at, at + 256)
    view.setUint32(at, a.hasBtime ? BASIC_STATS | BTIME : BASIC_STATS, true)
    view.setUint32(at + 4, a.blksize, true)
    view.setUint32(at + 16, a.nlink, true)
    view.setUint32(at + 20, a.uid, true)
    view.setUint32(at + 24, a.gid, true)
    view.setUint16(at + 28, a.mode, true)
    view.setBigUint64(at + 32, a.ino, true)
    putSize(view, at + 40, a.size)
    putSize(view, at + 48, a.blocks)
    putTime(view, at + 64, a.atimeSec, a.atimeNsec)
    if (a.hasBtime) putTime(view, at + 80, a.btimeSec, a.btimeNsec)
    putTime(view, at + 96, a.ctimeSec, a.ctimeNsec)
    putTime(view, at + 112, a.mtimeSec, a.mtimeNsec)
    view.setUint32(at + 128, majorOf(a.rdev), true)
    view.setUint32(at + 132, minorOf(a.rdev), true)
  },
}

/** The major number of a device, from the kernel's 32-bit encoding (new_decode_dev in include/linux/kdev_t.h). */
export function majorOf(rdev: number): number {
  return (rdev >>> 8) & 0xfff
}

/** The minor number. */
export function minorOf(rdev: number): number {
  return (rdev & 0xff) | ((rdev >>> 12) & 0xfff00)
}

/** struct fuse_sx_time: tv_sec[8] tv_nsec[4] reserved[4] */
function time(from: Reader): { readonly seconds: number; readonly nanoseconds: number } {
  const at = from.seconds()
  const rest = from.u32()
  from.take(4)
  return { seconds: at, nanoseconds: rest }
}

function putTime(view: DataView, at: number, whole: number, rest: number): void {
  putSeconds(view, at, whole)
  view.setUint32(at + 8, rest, true)
}

/** Every kind of field that the table in messages.ts uses. */
export const kinds = {
  u16,
  u32,
  u64,
  size,
  seconds,
  id,
  name,
  data,
  extension,
  forgotten,
  entry,
  attributes,
  statx,
  pad4: padding(4),
  pad8: padding(8),
  pad16: padding(16),
  pad24: padding(24),
  pad28: padding(28),
}

export type KindName = keyof typeof kinds
export type KindValue<K extends KindName> = ReturnType<(typeof kinds)[K]['read']>
