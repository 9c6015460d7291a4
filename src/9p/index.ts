/** 9P2000.L: the table of messages and its codec, a client, and the session of a server. */
export { Client, type Methods } from './client.ts'
export {
  type Message,
  type Reply,
  decodeReply,
  decodeRequest,
  encodeError,
  encodeReply,
  encodeRequest,
  requestOfType,
} from './wire/codec.ts'
export { Reader, Writer } from '../wire/cursor.ts'
export type { Kind, Struct, Values } from '../wire/struct.ts'
export type { KindName, KindValue } from './wire/kinds.ts'
export { type Dirent, readDirent, writeDirent } from './wire/dirent.ts'
export { ProtocolError, type ProtocolErrorCode } from '../wire/protocol-error.ts'
export * as flags from './wire/flags.ts'
export { frameSize, frameTag, frameType } from './wire/frame.ts'
export * as limits from './wire/limits.ts'
export {
  type Memory,
  type Payload,
  type Pieces,
  fillPayload,
  heapMemory,
  payloadBytes,
  run,
} from '../sys/memory.ts'
export {
  type Changes,
  type Decoded,
  type Fields,
  type MessageName,
  type R,
  type Row,
  type T,
  messages,
} from './wire/messages.ts'
export { type Qid, qidType } from './wire/qid.ts'
export { fromText, toText } from '../util/text.ts'
