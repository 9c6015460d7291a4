import type { Reader, Writer } from '../../wire/cursor.ts'
import { ProtocolError } from '../../wire/protocol-error.ts'
import { type Struct, structs } from '../../wire/struct.ts'
import { kinds } from './kinds.ts'
import { HEADER_BYTES, READ_OVERHEAD } from './limits.ts'
import {
  type MessageName,
  type PayloadMessage,
  type R,
  RLERROR,
  type Row,
  type T,
  messages,
} from './messages.ts'

/** A row of the table, ready to be used on frames. */
export interface Message {
  readonly name: MessageName
  readonly row: Row
  readonly T: Struct
  readonly R: Struct
}

const struct = structs(kinds)

const byName = {} as Record<MessageName, Message>
const byType: (Message | undefined)[] = Array.from({ length: 256 }, () => undefined)
for (const [name, row] of Object.entries(messages) as [MessageName, Row][]) {
  const message = { name, row, T: struct(row.T), R: struct(row.R) }
  byName[name] = message
  byType[row.type] = message
}

/** The message whose request has this type byte; undefined if the table has none. */
export function requestOfType(type: number): Message | undefined {
  return byType[type]
}

/** The fields of a request. `from` is at the first byte behind the header. */
export function decodeRequest<M extends MessageName>(
  message: Message & { name: M },
  from: Reader,
): T<M> {
  const fields = message.T.read(from)
  from.finish()
  return fields as T<M>
}

/** Writes a whole request frame at the writer's position. */
export function encodeRequest<M extends MessageName>(
  to: Writer,
  tag: number,
  name: M,
  fields: T<M>,
): void {
  const { row, T } = byName[name]
  const start = beginFrame(to, row.type, tag)
  T.write(to, fields)
  endFrame(to, start)
}

/** Writes a whole reply frame at the writer's position. */
export function encodeReply<M extends MessageName>(
  to: Writer,
  tag: number,
  name: M,
  fields: R<M>,
): void {
  const { row, R } = byName[name]
  const start = beginFrame(to, row.type + 1, tag)
  R.write(to, fields)
  endFrame(to, start)
}

/**
 * Writes the head of a reply whose only field is a payload (Rread, Rreaddir). The `length` bytes of the
 * payload are not written: they lie behind the head or elsewhere.
 */
export function encodePayloadReply(
  to: Writer,
  tag: number,
  name: PayloadMessage,
  length: number,
): void {
  const start = beginFrame(to, byName[name].row.type + 1, tag)
  to.u32(length)
  to.memory.view.setUint32(start, READ_OVERHEAD + length, true)
}

/** Writes a whole Rlerror frame at the writer's position. */
export function encodeError(to: Writer, tag: number, ecode: number): void {
  const start = beginFrame(to, RLERROR, tag)
  to.u32(ecode)
  endFrame(to, start)
}

/** A reply as the client gets it: its fields, or the errno of an Rlerror. */
export type Reply<M extends MessageName> =
  | { readonly ok: true; readonly fields: R<M> }
  | { readonly ok: false; readonly ecode: number }

/** Decodes a reply of type `type` to the request `name`. `from` is at the first byte behind the header. */
export function decodeReply<M extends MessageName>(name: M, type: number, from: Reader): Reply<M> {
  const { row, R } = byName[name]
  if (type === RLERROR) {
    const ecode = from.u32()
    from.finish()
    return { ok: false, ecode }
  }
  if (type !== row.type + 1) {
    throw new ProtocolError('UNEXPECTED_REPLY', `a reply of type ${type} to T${name}`)
  }
  const fields = R.read(from)
  from.finish()
  return { ok: true, fields: fields as R<M> }
}

function beginFrame(to: Writer, type: number, tag: number): number {
  const start = to.take(HEADER_BYTES)
  const { view } = to.memory
  view.setUint8(start + 4, type)
  view.setUint16(start + 5, tag, true)
  return start
}

function endFrame(to: Writer, start: number): void {
  to.memory.view.setUint32(start, to.position - start, true)
}
