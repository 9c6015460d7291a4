import type { KindName } from '../../../src/fuse/wire/kinds.ts'
import { IN_HEADER_BYTES } from '../../../src/fuse/wire/limits.ts'
import { type MessageName, type Row, messages } from '../../../src/fuse/wire/messages.ts'

/** How a server must understand a request, derived from the table alone. */
export interface Verdict {
  /** The request's name; undefined for an opcode that the table does not have. */
  readonly name: MessageName | undefined
  /** Whether header and extensions say what is true. */
  readonly isFramed: boolean
  /** Whether the fields fill the request exactly. */
  readonly isWhole: boolean
  /** Whether a size or an offset is 2^53 or more, which may be refused before the rest is read. */
  readonly tooLarge: boolean
}

/** The bytes of the field at `at`, in `bytes` that end with the last field; null if it does not fit, or is invalid. */
const extents: Readonly<Record<KindName, (bytes: Buffer, at: number) => number | null>> = {
  u16: () => 2,
  u32: () => 4,
  u64: () => 8,
  size: () => 8,
  seconds: () => 8,
  id: () => 8,
  name: (bytes, at) => (bytes.indexOf(0, at) < 0 ? null : bytes.indexOf(0, at) + 1 - at),
  data: (bytes, at) => bytes.length - at,
  extension: (bytes, at) => bytes.length - at,
  forgotten: (bytes, at) => (at + 8 > bytes.length ? null : 8 + 16 * bytes.readUInt32LE(at)),
  pad4: () => 4,
  pad8: () => 8,
  pad16: () => 16,
  pad24: () => 24,
  pad28: () => 28,
  entry: inReplies,
  attributes: inReplies,
  statx: inReplies,
}

function inReplies(): never {
  throw new Error('a kind that no request has had so far')
}

const requests = new Map(
  Object.entries(messages as Record<string, Row>).map(([name, row]) => [
    row.opcode,
    { name: name as MessageName, row },
  ]),
)

export function verdictOn(bytes: Buffer): Verdict {
  if (bytes.length < IN_HEADER_BYTES) {
    return { name: undefined, isFramed: false, isWhole: false, tooLarge: false }
  }
  const request = requests.get(bytes.readUInt32LE(4))
  const extensions = bytes.readUInt16LE(36) * 8
  const isFramed =
    bytes.readUInt32LE(0) === bytes.length && extensions <= bytes.length - IN_HEADER_BYTES
  if (request === undefined || !isFramed) {
    return { name: request?.name, isFramed, isWhole: false, tooLarge: false }
  }
  const fields = bytes.subarray(0, bytes.length - extensions)
  let at = IN_HEADER_BYTES
  let tooLarge = false
  for (const kind of Object.values(request.row.T)) {
    const extent = extents[kind](fields, at)
    if (extent === null || at + extent > fields.length) {
      return { name: request.name, isFramed, isWhole: false, tooLarge }
    }
    if (kind === 'size' && fields.readUInt32LE(at + 4) > 0x1f_ffff) tooLarge = true
    at += extent
  }
  return { name: request.name, isFramed, isWhole: at === fields.length, tooLarge }
}
