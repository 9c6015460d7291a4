import type { KindName } from '../../../src/9p/wire/kinds.ts'
import { limits, messages, type MessageName, type Row } from '../../../src/9p/index.ts'

/** How a server must understand a frame, derived from the table alone. */
export interface Verdict {
  /** The request's name; undefined for a type that the table does not have. */
  readonly name: MessageName | undefined
  /** Whether the fields fill the frame exactly, each list within its limit. */
  readonly wellFormed: boolean
  /** Whether a size or an offset is 2^53 or more, which may be refused before the rest is read. */
  readonly tooLarge: boolean
}

/** The size of the field at `at`; null if the frame ends before, or the field is invalid. */
const extents: Readonly<Record<KindName, (frame: Buffer, at: number) => number | null>> = {
  u8: () => 1,
  u16: () => 2,
  u32: () => 4,
  u64: () => 8,
  size: () => 8,
  seconds: () => 8,
  mask: () => 8,
  qid: () => limits.QID_BYTES,
  string: (frame, at) => (at + 2 > frame.length ? null : 2 + frame.readUInt16LE(at)),
  data: (frame, at) => (at + 4 > frame.length ? null : 4 + frame.readUInt32LE(at)),
  strings: (frame, at) => listExtent(frame, at, 'string'),
  qids: (frame, at) => listExtent(frame, at, 'qid'),
}

function listExtent(frame: Buffer, at: number, item: KindName): number | null {
  if (at + 2 > frame.length) return null
  const count = frame.readUInt16LE(at)
  if (count > limits.WALK_NAMES_MAX) return null
  let end = at + 2
  for (let i = 0; i < count; i++) {
    const extent = extents[item](frame, end)
    if (extent === null || end + extent > frame.length) return null
    end += extent
  }
  return end - at
}

const requests = new Map(
  Object.entries(messages as Record<string, Row>).map(([name, row]) => [
    row.type,
    { name: name as MessageName, row },
  ]),
)

export function verdictOn(frame: Buffer): Verdict {
  const request = requests.get(frame[4] as number)
  if (request === undefined) return { name: undefined, wellFormed: false, tooLarge: false }
  let at = limits.HEADER_BYTES
  let tooLarge = false
  for (const kind of Object.values(request.row.T)) {
    const extent = extents[kind](frame, at)
    if (extent === null || at + extent > frame.length) {
      return { name: request.name, wellFormed: false, tooLarge }
    }
    if (kind === 'size' && frame.readUInt32LE(at + 4) > 0x1f_ffff) tooLarge = true
    at += extent
  }
  return { name: request.name, wellFormed: at === frame.length, tooLarge }
}
