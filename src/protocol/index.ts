/** 9P2000.L without a transport: the table of messages, its codec, and the wire's numbers. */
export {
  type Message,
  type Reply,
  decodeReply,
  decodeRequest,
  encodeError,
  encodeReply,
  encodeRequest,
  requestOfType,
} from './codec.ts'
export { Reader, Writer } from './cursor.ts'
export { type Dirent, readDirent, writeDirent } from './dirent.ts'
export { ProtocolError, type ProtocolErrorCode } from './error.ts'
export * as flags from './flags.ts'
export { frameSize, frameTag, frameType } from './frame.ts'
export * as limits from './limits.ts'
export {
  type Memory,
  type Payload,
  type Pieces,
  fillPayload,
  heapMemory,
  payloadBytes,
  run,
} from './memory.ts'
export { type MessageName, type R, type Row, type T, messages } from './messages.ts'
export { type Qid, qidType } from './qid.ts'
export { fromText, toText } from './text.ts'
