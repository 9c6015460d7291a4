import type { Memory } from '../../sys/memory.ts'
import { type Reader, type Writer, putSize } from '../../wire/cursor.ts'
import { ProtocolError } from '../../wire/protocol-error.ts'
import { type Struct, structs } from '../../wire/struct.ts'
import { kinds } from './kinds.ts'
import { IN_HEADER_BYTES, OUT_HEADER_BYTES } from './limits.ts'
import { type Fields, type MessageName, type R, type Row, type T, messages } from './messages.ts'

const struct = structs(kinds)

/** A row of the table, ready to be used. */
export interface Message {
  readonly name: MessageName
  readonly row: Row
  readonly T: Struct
  readonly R: Struct
  /** The size of the shortest reply that is no error, with its header; 0 where there is no reply. */
  readonly replyBytes: number
}

const byName = {} as Record<MessageName, Message>
const byOpcode: (Message | undefined)[] = []
for (const [name, row] of Object.entries(messages) as [MessageName, Row][]) {
  const replyBytes = row.R === null ? 0 : OUT_HEADER_BYTES + leastBytes(row.R)
  const message = { name, row, T: struct(row.T), R: struct(row.R ?? {}), replyBytes }
  byName[name] = message
  byOpcode[row.opcode] = message
}

function leastBytes(fields: Fields): number {
  return Object.values(fields).reduce((sum, kind) => sum + kinds[kind].least, 0)
}

/** The message with this opcode; undefined if the table has none. */
export function requestOfOpcode(opcode: number): Message | undefined {
  return byOpcode[opcode]
}

/** What each request begins with (struct fuse_in_header). */
export interface RequestHeader {
  /** Names the request in its reply and in an INTERRUPT. Not exact from 2^53 on. */
  readonly unique: number
  /** The same in the two halves that the reply gets. */
  readonly uniqueLow: number
  readonly uniqueHigh: number
  /** The node that the request is about. Not exact from 2^53 on, and no node has such a number. */
  readonly nodeid: number
  /** The user and group of the guest's process, for files that it makes. */
  readonly uid: number
  readonly gid: number
  readonly pid: number
}

const TWO_32 = 0x1_0000_0000

/** The opcode of the request at `start`, which has at least {@link IN_HEADER_BYTES}. */
export function opcodeAt({ view }: Memory, start: number): number {
  return view.getUint32(start + 4, true)
}

/** The header of the request at `start`, which has at least {@link IN_HEADER_BYTES}. */
export function headerAt({ view }: Memory, start: number): RequestHeader {
  const uniqueLow = view.getUint32(start + 8, true)
  const uniqueHigh = view.getUint32(start + 12, true)
  return {
    unique: uniqueHigh * TWO_32 + uniqueLow,
    uniqueLow,
    uniqueHigh,
    nodeid: view.getUint32(start + 20, true) * TWO_32 + view.getUint32(start + 16, true),
    uid: view.getUint32(start + 24, true),
    gid: view.getUint32(start + 28, true),
    pid: view.getUint32(start + 32, true),
  }
}

/**
 * Where the fields of the request at `start` end: `size` bytes behind it, but for extensions (total_extlen), which are
 * passed over.
 *
 * @throws ProtocolError for a len[4] that is not `size`, or extensions that are longer than the request.
 */
export function fieldsEnd({ view }: Memory, start: number, size: number): number {
  const claimed = view.getUint32(start, true)
  if (claimed !== size) {
    const code = claimed < size ? 'TRAILING_BYTES' : 'TRUNCATED'
    throw new ProtocolError(code, `len[4] is ${claimed} in a request of ${size} bytes`)
  }
  const extensions = view.getUint16(start + 36, true) * 8
  if (extensions > size - IN_HEADER_BYTES) {
    throw new ProtocolError('TRUNCATED', `extensions of ${extensions} bytes in ${size} bytes`)
  }
  return start + size - extensions
}

/** The fields of a request. `from` is at the first byte behind the header. */
export function decodeRequest<M extends MessageName>(
  message: Message & { name: M },
  from: Reader,
): T<M> {
  const fields = message.T.read(from)
  from.finish()
  return fields as unknown as T<M>
}

/** Writes a whole request at the writer's position. */
export function encodeRequest<M extends MessageName>(
  to: Writer,
  name: M,
  header: Omit<RequestHeader, 'uniqueLow' | 'uniqueHigh'>,
  fields: T<M>,
): void {
  const { row, T } = byName[name]
  const start = to.take(IN_HEADER_BYTES)
  T.write(to, fields)
  const { view } = to.memory
  view.setUint32(start, to.position - start, true)
  view.setUint32(start + 4, row.opcode, true)
  putSize(view, start + 8, header.unique)
  putSize(view, start + 16, header.nodeid)
  view.setUint32(start + 24, header.uid, true)
  view.setUint32(start + 28, header.gid, true)
  view.setUint32(start + 32, header.pid, true)
  view.setUint32(start + 36, 0, true)
}

type Unique = Pick<RequestHeader, 'uniqueLow' | 'uniqueHigh'>

/** Writes a whole reply at the writer's position. */
export function encodeReply<M extends MessageName>(
  to: Writer,
  unique: Unique,
  name: M,
  fields: R<M>,
): void {
  const start = to.take(OUT_HEADER_BYTES)
  byName[name].R.write(to, fields)
  putHeader(to, start, to.position - start, 0, unique)
}

/** Writes the header of a reply with `length` bytes of payload, which lie behind it or elsewhere. */
export function encodePayloadReply(to: Writer, unique: Unique, length: number): void {
  const start = to.take(OUT_HEADER_BYTES)
  putHeader(to, start, OUT_HEADER_BYTES + length, 0, unique)
}

/** Writes the reply to a request that has failed. @param ecode a Linux errno. */
export function encodeError(to: Writer, unique: Unique, ecode: number): void {
  const start = to.take(OUT_HEADER_BYTES)
  putHeader(to, start, OUT_HEADER_BYTES, -ecode, unique)
}

function putHeader(to: Writer, at: number, length: number, error: number, unique: Unique): void {
  const { view } = to.memory
  view.setUint32(at, length, true)
  view.setInt32(at + 4, error, true)
  view.setUint32(at + 8, unique.uniqueLow, true)
  view.setUint32(at + 12, unique.uniqueHigh, true)
}

/** A reply as a client gets it: its fields, or an errno. */
export type Reply<M extends MessageName> =
  | { readonly ok: true; readonly unique: number; readonly fields: R<M> }
  | { readonly ok: false; readonly unique: number; readonly ecode: number }

/** Decodes the reply to a request `name`. @throws ProtocolError for bytes that are none. */
export function decodeReply<M extends MessageName>(name: M, from: Reader): Reply<M> {
  const start = from.take(OUT_HEADER_BYTES)
  const { view } = from.memory
  const length = view.getUint32(start, true)
  const error = view.getInt32(start + 4, true)
  const unique = view.getUint32(start + 12, true) * TWO_32 + view.getUint32(start + 8, true)
  if (length < OUT_HEADER_BYTES || length > from.end - start) {
    throw new ProtocolError('TRUNCATED', `len[4] is ${length} in ${from.end - start} bytes`)
  }
  from.end = start + length
  if (error !== 0) {
    from.finish()
    return { ok: false, unique, ecode: -error }
  }
  const fields = byName[name].R.read(from)
  from.finish()
  return { ok: true, unique, fields: fields as unknown as R<M> }
}
