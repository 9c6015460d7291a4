import { heapMemory, type Payload } from '../../../src/sys/memory.ts'
import { Writer } from '../../../src/wire/cursor.ts'
import { encodeRequest, type RequestHeader } from '../../../src/fuse/wire/codec.ts'
import { init } from '../../../src/fuse/wire/flags.ts'
import { type KindName, kinds } from '../../../src/fuse/wire/kinds.ts'
import {
  IN_HEADER_BYTES,
  IO_BYTES_MAX,
  OUT_HEADER_BYTES,
  REQUEST_BYTES_MAX,
  ROOT_ID,
} from '../../../src/fuse/wire/limits.ts'
import {
  type Fields,
  type MessageName,
  type Row,
  type T,
  messages,
} from '../../../src/fuse/wire/messages.ts'
import { memoryOf } from '../frames.ts'

/** What a request is about, and for whom: the parts of its header that a caller chooses. */
export type Target = Partial<Pick<RequestHeader, 'nodeid' | 'uid' | 'gid' | 'pid'>>

/** The fields of a request. Those left out are 0 or empty, and a `size` is that of the data. */
export type Asked<M extends MessageName> = Partial<T<M>>

export const messageNames = Object.keys(messages) as MessageName[]

const writer = new Writer(heapMemory(REQUEST_BYTES_MAX + IO_BYTES_MAX))

/** The bytes of a request, as a client would send them. */
export function requestBytes<M extends MessageName>(
  unique: number,
  name: M,
  asked: Asked<M>,
  target: Target = {},
): Buffer {
  const { memory } = writer
  writer.over(memory, 0, memory.bytes.length)
  const header = { unique, nodeid: ROOT_ID, uid: 0, gid: 0, pid: 0, ...target }
  encodeRequest(writer, name, header, complete(name, asked))
  return Buffer.from(memory.bytes.subarray(0, writer.position))
}

/** A request of any opcode and body, its len[4] filled in. */
export function rawRequest(
  unique: number,
  opcode: number,
  body: Uint8Array,
  nodeid = ROOT_ID,
): Buffer {
  const bytes = Buffer.alloc(IN_HEADER_BYTES + body.length)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt32LE(opcode, 4)
  bytes.writeBigUInt64LE(BigInt(unique), 8)
  bytes.writeBigUInt64LE(BigInt(nodeid), 16)
  bytes.set(body, IN_HEADER_BYTES)
  return bytes
}

/** The unique number of a request or, since both have it at the same place, of a reply. */
export function uniqueOf(bytes: Buffer): number {
  return Number(bytes.readBigUInt64LE(8))
}

function complete<M extends MessageName>(name: M, asked: Asked<M>): T<M> {
  const given = asked as Readonly<Record<string, unknown>>
  const fields = Object.entries<KindName>(messages[name].T).map(([field, kind]) => {
    return [field, given[field] ?? (field === 'size' ? sizeOf(given) : empty[kind])]
  })
  return Object.fromEntries(fields) as T<M>
}

/** The length of the data among these fields. */
function sizeOf(fields: Readonly<Record<string, unknown>>): number {
  const { data, value } = fields as { readonly [name in 'data' | 'value']?: Payload }
  return (data ?? value)?.length ?? 0
}

const empty: Partial<Record<KindName, unknown>> = {
  u16: 0,
  u32: 0,
  u64: 0n,
  size: 0,
  seconds: 0,
  id: 0,
  name: '',
  data: payload(''),
  extension: 0,
  forgotten: [],
}

/** Bytes to write. @param content a byte string (util/text.ts), or bytes. */
export function payload(content: string | Uint8Array): Payload {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content
  return { memory: memoryOf(bytes), offset: 0, length: bytes.length }
}

/** Linux's one page for the target of a symlink. */
const PAGE = 4096

/** How many bytes Linux leaves for the reply to a request (fs/fuse/); 0 for one that has none. */
export function roomFor<M extends MessageName>(name: M, asked: Asked<M>): number {
  const { R }: Row = messages[name]
  if (R === null) return 0
  const fixed = OUT_HEADER_BYTES + leastBytes(R)
  const { size = 0 } = asked as { readonly size?: number }
  if (name === 'readlink') return fixed + PAGE
  // Where it asks for the length of a value, the reply is struct fuse_getxattr_out.
  if (name === 'getxattr' || name === 'listxattr') return fixed + (size === 0 ? 8 : size)
  return 'data' in R ? fixed + size : fixed
}

/** The bytes of a message's fields, where names and data are as short as they can be. */
export function leastBytes(fields: Fields): number {
  return Object.values(fields).reduce((sum, kind) => sum + kinds[kind].least, 0)
}

/** What Linux 6.12 says in INIT, where all that this protocol's table names is built in. */
export const linuxInit: T<'init'> = {
  major: 7,
  minor: 41,
  maxReadahead: 131_072,
  flags: Number(all(init) & 0xffff_ffffn),
  flags2: Number(all(init) >> 32n),
}

function all(flags: Readonly<Record<string, bigint>>): bigint {
  return Object.values(flags).reduce((sum, flag) => sum | flag, 0n)
}
